#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

void *msv_alloc(struct msv_env *env, size_t n)
{
	void *p = msv_env_realloc(env, NULL, n ? n : 1);

	return p ? memset(p, 0, n) : NULL;
}

void msv_free(struct msv_env *env, void *p)
{
	if (p)
		msv_env_realloc(env, p, 0);
}

void msv_free_secret(struct msv_env *env, void *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
	msv_free(env, p);
}

char *msv_strdup(struct msv_env *env, const char *s)
{
	return s ? msv_strndup(env, s, strlen(s)) : NULL;
}

char *msv_strndup(struct msv_env *env, const char *s, size_t n)
{
	char *copy = msv_env_realloc(env, NULL, n + 1);

	if (!copy)
		return NULL;
	if (n)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

void *msv_memdup(struct msv_env *env, const void *p, size_t n)
{
	void *copy = msv_env_realloc(env, NULL, n ? n : 1);

	return copy && n ? memcpy(copy, p, n) : copy;
}

char *msv_asprintf(struct msv_env *env, const char *fmt, ...)
{
	va_list args, again;
	char *text = NULL;

	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	if (n >= 0)
		text = msv_env_realloc(env, NULL, (size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(args);
	return text;
}

int msv_grow(struct msv_env *env, void *array, size_t *cap, size_t need, size_t elem)
{
	enum { FIRST = 4 };
	void *p;

	if (need <= *cap)
		return 0;
	size_t want = *cap > SIZE_MAX / 2 ? need : *cap * 2;
	if (want < FIRST)
		want = FIRST;
	if (want < need)
		want = need;
	if (want > SIZE_MAX / elem)
		return MSV_ERR_NOMEM;
	memcpy(&p, array, sizeof(p));
	p = msv_env_realloc(env, p, want * elem);
	if (!p)
		return MSV_ERR_NOMEM;
	memset((char *)p + *cap * elem, 0, (want - *cap) * elem);
	memcpy(array, &p, sizeof(p));
	*cap = want;
	return 0;
}
