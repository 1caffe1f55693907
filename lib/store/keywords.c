#include "store/keywords.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One byte of an atom (RFC 3501 9).  UTF-8 is let through: other programs
 * write it. */
static bool is_atom(unsigned char c)
{
	return c > 0x20 && c != 0x7f && !strchr("(){%*\"\\", c);
}

static bool name_valid(const char *p, size_t n)
{
	if (!n || n >= MSV_KEYWORD_SIZE)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_atom((unsigned char)p[i]))
			return false;
	}
	return true;
}

bool msv_keyword_valid(const char *name)
{
	return name_valid(name, strnlen(name, MSV_KEYWORD_SIZE));
}

static void take_line(struct msv_keywords *out, const char *p, size_t n)
{
	const char *end = p + n;
	size_t index = 0;

	if (!n || !isdigit((unsigned char)*p))
		return;
	for (; p < end && isdigit((unsigned char)*p) && index < MSV_MAX_LETTERS; p++)
		index = index * 10 + (size_t)(*p - '0');
	if (index >= MSV_MAX_LETTERS || p == end || *p != ' ')
		return;
	p++;
	if (!name_valid(p, (size_t)(end - p)) || out->name[index][0])
		return;
	char name[MSV_KEYWORD_SIZE] = "";
	memcpy(name, p, (size_t)(end - p));
	if (msv_keywords_find(out, name) < 0)
		memcpy(out->name[index], name, sizeof(name));
}

void msv_keywords_parse(const char *p, size_t n, struct msv_keywords *out)
{
	const char *end = p + n;

	*out = (struct msv_keywords){ 0 };
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((newline ? newline : end) - p);
		take_line(out, p, len);
		p += len + 1;
	}
}

size_t msv_keywords_format(const struct msv_keywords *keywords, char out[MSV_KEYWORDS_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < MSV_MAX_LETTERS; i++) {
		if (keywords->name[i][0])
			n += (size_t)snprintf(
			    out + n, MSV_KEYWORDS_SIZE - n, "%zu %s\n", i, keywords->name[i]);
	}
	return n;
}

int msv_keywords_find(const struct msv_keywords *keywords, const char *name)
{
	for (int i = 0; i < MSV_MAX_LETTERS; i++) {
		if (keywords->name[i][0] && strcasecmp(keywords->name[i], name) == 0)
			return i;
	}
	return MSV_ERR_NOTFOUND;
}

int msv_keywords_add(struct msv_keywords *keywords, const char *name)
{
	int letter = msv_keywords_find(keywords, name);

	if (letter >= 0)
		return letter;
	if (!msv_keyword_valid(name))
		return MSV_ERR_FORMAT;
	for (letter = 0; letter < MSV_MAX_LETTERS; letter++) {
		if (!keywords->name[letter][0]) {
			memcpy(keywords->name[letter], name, strlen(name) + 1);
			return letter;
		}
	}
	return MSV_ERR_LIMIT;
}
