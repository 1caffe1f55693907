#include "store/filename.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* In ASCII order. */
static const struct {
	char letter;
	uint32_t flag;
} flag_letters[] = {
	{ 'D', MSV_FLAG_DRAFT },
	{ 'F', MSV_FLAG_FLAGGED },
	{ 'P', MSV_FLAG_PASSED },
	{ 'R', MSV_FLAG_ANSWERED },
	{ 'S', MSV_FLAG_SEEN },
	{ 'T', MSV_FLAG_DELETED },
};

enum { NFLAGS = sizeof(flag_letters) / sizeof(flag_letters[0]) };

/* The flag of a letter, or 0. */
static uint32_t flag_of(char letter)
{
	for (size_t i = 0; i < NFLAGS; i++) {
		if (flag_letters[i].letter == letter)
			return flag_letters[i].flag;
	}
	return 0;
}

static bool is_keyword(char c)
{
	return c >= 'a' && c <= 'z';
}

size_t msv_filename_info(uint32_t flags, uint32_t letters, char out[MSV_INFO_SIZE])
{
	char *to = out;

	memcpy(to, ":2,", 3);
	to += 3;
	for (size_t i = 0; i < NFLAGS; i++) {
		if (flags & flag_letters[i].flag)
			*to++ = flag_letters[i].letter;
	}
	for (unsigned i = 0; i < MSV_MAX_LETTERS; i++) {
		if (letters >> i & 1)
			*to++ = (char)('a' + i);
	}
	*to = '\0';
	return (size_t)(to - out);
}

/* Where the letters of an info begin, or NULL when it is no ":2,". */
static const char *info_letters(const char *info)
{
	return strncmp(info, ":2,", 3) == 0 ? info + 3 : NULL;
}

static void read_letters(const char *letters, struct msv_filename *out)
{
	for (; *letters && *letters != ','; letters++) {
		if (is_keyword(*letters))
			out->letters |= 1u << (*letters - 'a');
		else
			out->flags |= flag_of(*letters);
	}
}

/* A name that a line of the uidlist, and no directory listing, can hold. */
static bool is_message_name(const char *name, size_t n)
{
	if (!n || n >= MSV_FILENAME_SIZE || name[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
			return false;
	}
	return true;
}

bool msv_filename_parse(const char *name, struct msv_filename *out)
{
	size_t n = strlen(name);
	char plain[MSV_INFO_SIZE];

	if (!is_message_name(name, n))
		return false;
	*out = (struct msv_filename){ .base = { name, strcspn(name, ":") } };
	out->info = name + out->base.n;
	if (!out->base.n)
		return false;
	const char *letters = info_letters(out->info);
	if (letters)
		read_letters(letters, out);
	msv_filename_info(out->flags, out->letters, plain);
	out->plain = strcmp(out->info, plain) == 0;
	return true;
}

/* Letters in ASCII order, each once. */
static void sort_letters(char *p, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		for (size_t j = i; j && p[j] < p[j - 1]; j--) {
			char c = p[j];
			p[j] = p[j - 1];
			p[j - 1] = c;
		}
	}
}

int msv_filename_change_info(const char *old, uint32_t flags, uint32_t letters, char *out, size_t n)
{
	char plain[MSV_INFO_SIZE];
	size_t len = msv_filename_info(flags, letters, plain);
	const char *from = info_letters(old), *tail;

	if (!from)
		from = "";
	for (tail = from; *tail && *tail != ',';)
		tail++;
	if (len + strlen(old) >= n)
		return MSV_ERR_LIMIT;
	memcpy(out, plain, len);
	for (; from < tail; from++) {
		if (!is_keyword(*from) && !flag_of(*from) && !memchr(out + 3, *from, len - 3))
			out[len++] = *from;
	}
	sort_letters(out + 3, len - 3);
	memcpy(out + len, tail, strlen(tail) + 1);
	return 0;
}

bool msv_filename_size(const char *base, size_t n, char key, uint64_t *size)
{
	const char *end = base + n;

	for (const char *p = base; (p = memchr(p, ',', (size_t)(end - p))); p++) {
		const char *digit = p + 3;
		if (end - p < 4 || p[1] != key || p[2] != '=')
			continue;
		for (*size = 0; digit < end && isdigit((unsigned char)*digit); digit++) {
			if (*size > UINT64_MAX / 10 - 1)
				return false;
			*size = *size * 10 + (uint64_t)(*digit - '0');
		}
		return digit > p + 3 && (digit == end || *digit == ',');
	}
	return false;
}

void msv_filename_host(const char *host, char out[64])
{
	size_t n = 0;

	for (; *host && n < 59; host++) {
		unsigned char c = (unsigned char)*host;
		if (isalnum(c) || c == '.' || c == '-' || c == '_')
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 64 - n, "\\%03o", c);
	}
	out[n] = '\0';
}
