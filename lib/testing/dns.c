/* A DNS in memory: a zone in text, and answers at once or late. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/crypto.h"
#include "testing/testing.h"

enum {
	DEFAULT_TTL = 300,
	ALIASES = 8,
	ANSWERS = 256, /* records of one answer */
	SILENCE_MS = 10000,
};

/* What a line says. */
enum kind { KIND_RECORD, KIND_EMPTY, KIND_FAULT, KIND_SECURE };

struct line {
	const char *name;
	enum kind kind;
	int type;  /* of a record; a fault's: 0 all */
	int error; /* of a fault */
	uint32_t ttl;
	struct msv_dns_record record;
};

struct zone {
	size_t n;
	struct line lines[];
};

struct dns {
	struct msv_dns table;
	struct msv_test_env *test;
	struct zone *zone;
	uint64_t late;
};

/* A question that is answered later. */
struct pending {
	struct dns *dns;
	struct msv_timer *timer;
	struct msv_dns_op op;
	enum msv_dns_type type;
	char name[];
};

/* -- Reading a zone -------------------------------------------------------------- */

/* The next word of the text, ended by NUL in place; "..." is one.  NULL: none. */
static char *next_word(char **text)
{
	char *p = *text + strspn(*text, " \t\r"), *end;

	if (!*p || *p == ';')
		return NULL;
	if (*p == '"') {
		p++;
		end = p + strcspn(p, "\"");
	} else {
		end = p + strcspn(p, " \t\r");
	}
	*text = end + (*end != '\0');
	*end = '\0';
	return p;
}

/* A name in lower case without the dot at its end. */
static const char *next_name(char **text)
{
	char *name = next_word(text);
	size_t n = name ? strlen(name) : 0;

	for (size_t i = 0; i < n; i++)
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] - 'A' + 'a');
	if (n && name[n - 1] == '.')
		name[n - 1] = '\0';
	return name;
}

static int read_word(struct line *line, char **text)
{
	line->record.text = next_word(text);
	return line->record.text ? 0 : MSV_ERR_FORMAT;
}

static int read_name(struct line *line, char **text)
{
	line->record.text = next_name(text);
	return line->record.text ? 0 : MSV_ERR_FORMAT;
}

static int read_mx(struct line *line, char **text)
{
	const char *preference = next_word(text);

	if (!preference)
		return MSV_ERR_FORMAT;
	line->record.preference = (uint16_t)strtoul(preference, NULL, 10);
	return read_name(line, text);
}

/* The strings are joined where they stand. */
static int read_txt(struct line *line, char **text)
{
	char *word = next_word(text), *end;

	if (!word)
		return MSV_ERR_FORMAT;
	line->record.text = word;
	for (end = word + strlen(word); (word = next_word(text));) {
		size_t n = strlen(word);

		memmove(end, word, n + 1);
		end += n;
	}
	return 0;
}

/* 3 1 1 00ff: three numbers and hex (RFC 6698 2.2); over the words they come from. */
static int read_tlsa(struct line *line, char **text)
{
	uint8_t *out = NULL;
	char *word;

	for (int i = 0; i < 3; i++) {
		word = next_word(text);
		if (!word)
			return MSV_ERR_FORMAT;
		if (!out)
			out = (uint8_t *)word;
		out[i] = (uint8_t)strtoul(word, NULL, 10);
	}
	word = next_word(text);
	size_t n = word ? strlen(word) : 0;
	line->record.text = "";
	line->record.rdata = (struct msv_span){ (char *)out, 3 + n / 2 };
	return n ? msv_hex_decode(word, n, out + 3) : MSV_ERR_FORMAT;
}

static int read_nothing(struct line *line, char **text)
{
	(void)line;
	(void)text;
	return 0;
}

static int read_fault(struct line *line, char **text);

static const struct keyword {
	const char *word;
	enum kind kind;
	int number; /* the type, or the error */
	int (*read)(struct line *line, char **text);
} keywords[] = {
	{ "A", KIND_RECORD, MSV_DNS_A, read_word },
	{ "AAAA", KIND_RECORD, MSV_DNS_AAAA, read_word },
	{ "CNAME", KIND_RECORD, MSV_DNS_CNAME, read_name },
	{ "MX", KIND_RECORD, MSV_DNS_MX, read_mx },
	{ "PTR", KIND_RECORD, MSV_DNS_PTR, read_name },
	{ "TXT", KIND_RECORD, MSV_DNS_TXT, read_txt },
	{ "TLSA", KIND_RECORD, MSV_DNS_TLSA, read_tlsa },
	{ "NODATA", KIND_EMPTY, 0, read_nothing },
	{ "SECURE", KIND_SECURE, 0, read_nothing },
	{ "SERVFAIL", KIND_FAULT, MSV_ERR_IO, read_fault },
	{ "BOGUS", KIND_FAULT, MSV_ERR_FORMAT, read_fault },
	{ "TIMEOUT", KIND_FAULT, MSV_ERR_TIMEOUT, read_fault },
};

static const struct keyword *find_keyword(const char *word)
{
	for (size_t i = 0; word && i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strcasecmp(keywords[i].word, word) == 0)
			return &keywords[i];
	return NULL;
}

/* Of all types, or of the one that is named. */
static int read_fault(struct line *line, char **text)
{
	const char *word = next_word(text);
	const struct keyword *keyword = find_keyword(word);

	line->error = line->type;
	line->type = keyword ? keyword->number : 0;
	return !word || (keyword && keyword->kind == KIND_RECORD) ? 0 : MSV_ERR_FORMAT;
}

/* 0; 1: an empty line; MSV_ERR_FORMAT. */
static int read_line(struct line *line, char *text)
{
	const struct keyword *keyword;
	char *word;
	int error;

	line->name = next_name(&text);
	if (!line->name)
		return 1;
	line->ttl = DEFAULT_TTL;
	word = next_word(&text);
	if (word && *word >= '0' && *word <= '9') {
		line->ttl = (uint32_t)strtoul(word, NULL, 10);
		word = next_word(&text);
	}
	keyword = find_keyword(word);
	if (!keyword)
		return MSV_ERR_FORMAT;
	line->kind = keyword->kind;
	line->type = keyword->number;
	error = keyword->read(line, &text);
	return error || next_word(&text) ? MSV_ERR_FORMAT : 0;
}

static struct zone *read_zone(struct msv_test_env *test, const char *text, int *error)
{
	size_t n = strlen(text), lines = 1;
	char *p = msv_test_keep(test, n + 1);
	struct zone *zone;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	zone = msv_test_keep(test, sizeof(*zone) + lines * sizeof(struct line));
	*error = MSV_ERR_NOMEM;
	if (!p || !zone)
		return NULL;
	*error = 0;
	memcpy(p, text, n + 1);
	while (*p && *error >= 0) {
		char *line = p;

		p += strcspn(p, "\n");
		if (*p)
			*p++ = '\0';
		*error = read_line(&zone->lines[zone->n], line);
		zone->n += *error == 0;
	}
	*error = *error > 0 ? 0 : *error;
	return *error ? NULL : zone;
}

/* -- Answers ------------------------------------------------------------------------- */

/* True when name is `top` or beneath it. */
static bool is_beneath(const char *name, const char *top)
{
	size_t n = strlen(name), m = strlen(top);

	return n >= m && strcmp(name + n - m, top) == 0 && (!m || n == m || name[n - m - 1] == '.');
}

static bool is_secure(const struct zone *zone, const char *name)
{
	for (size_t i = 0; i < zone->n; i++)
		if (zone->lines[i].kind == KIND_SECURE && is_beneath(name, zone->lines[i].name))
			return true;
	return false;
}

static bool exists(const struct zone *zone, const char *name)
{
	for (size_t i = 0; i < zone->n; i++)
		if (zone->lines[i].kind != KIND_SECURE && is_beneath(zone->lines[i].name, name))
			return true;
	return false;
}

/* The fault that is planned for the question, or 0. */
static int find_fault(const struct zone *zone, const char *name, int type)
{
	for (size_t i = 0; i < zone->n; i++) {
		const struct line *line = &zone->lines[i];

		if (line->kind == KIND_FAULT && (!line->type || line->type == type) &&
		    strcmp(line->name, name) == 0)
			return line->error;
	}
	return 0;
}

static const struct line *find_record(const struct zone *zone, const char *name, int type)
{
	for (size_t i = 0; i < zone->n; i++) {
		const struct line *line = &zone->lines[i];

		if (line->kind == KIND_RECORD && line->type == type &&
		    strcmp(line->name, name) == 0)
			return line;
	}
	return NULL;
}

/* Goes from alias to alias to where the answer is, if all goes well. */
static int follow(const struct zone *zone, struct msv_dns_answer *a, const char **name, int type)
{
	for (int aliases = 0; aliases <= ALIASES; aliases++) {
		const struct line *alias = find_record(zone, *name, MSV_DNS_CNAME);
		int error = find_fault(zone, *name, type);

		a->secure = a->secure && is_secure(zone, *name);
		if (error || !alias || type == MSV_DNS_CNAME)
			return error;
		a->canonical = *name = alias->record.text;
	}
	return MSV_ERR_IO;
}

static void answer(
    const struct zone *zone, const char *name, enum msv_dns_type type, struct msv_dns_op op)
{
	struct msv_dns_record records[ANSWERS];
	struct msv_dns_answer a = { .size = sizeof(a), .secure = true, .ttl = DEFAULT_TTL };
	int error = follow(zone, &a, &name, (int)type);

	if (error) {
		msv_op_answer(op.op, error);
		return;
	}
	for (size_t i = 0; i < zone->n && a.nrecords < ANSWERS; i++) {
		const struct line *line = &zone->lines[i];

		if (line->kind == KIND_RECORD && line->type == (int)type &&
		    strcmp(line->name, name) == 0) {
			records[a.nrecords++] = line->record;
			a.ttl = line->ttl;
		}
	}
	a.records = records;
	if (!a.nrecords)
		a.status = exists(zone, name) ? MSV_DNS_NO_DATA : MSV_DNS_NO_NAME;
	msv_dns_answer(op, type, &a);
}

/* -- Questions ---------------------------------------------------------------------------- */

static void free_pending(struct pending *pending)
{
	msv_timer_free(pending->timer);
	free(pending);
}

static void on_time(void *user)
{
	struct pending *pending = user;

	msv_op_on_cancel(pending->op.op, NULL, NULL);
	answer(pending->dns->zone, pending->name, pending->type, pending->op);
	free_pending(pending);
}

static void on_cancel(void *user)
{
	struct pending *pending = user;
	struct msv_op *op = pending->op.op;

	free_pending(pending);
	msv_op_answer(op, MSV_ERR_CANCELED);
}

static int answer_later(
    struct dns *dns, const char *name, enum msv_dns_type type, uint64_t ms, struct msv_dns_op op)
{
	struct pending *pending = malloc(sizeof(*pending) + strlen(name) + 1);

	if (!pending)
		return MSV_ERR_NOMEM;
	pending->dns = dns;
	pending->type = type;
	pending->op = op;
	memcpy(pending->name, name, strlen(name) + 1);
	if (msv_timer_new(dns->test->env, on_time, pending, &pending->timer)) {
		free(pending);
		return MSV_ERR_NOMEM;
	}
	msv_timer_start(pending->timer, dns->test->now + ms);
	msv_op_on_cancel(op.op, on_cancel, pending);
	return 0;
}

static const char *type_name(int type)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (keywords[i].kind == KIND_RECORD && keywords[i].number == type)
			return keywords[i].word;
	return "?";
}

static void query(void *self, const char *name, enum msv_dns_type type, struct msv_dns_op op)
{
	struct dns *dns = self;
	char copy[1024], *text = copy;
	size_t n = strnlen(name, sizeof(copy) - 1);
	const char *plain;
	uint64_t ms = dns->late;

	memcpy(copy, name, n);
	copy[n] = '\0';
	plain = next_name(&text);
	plain = plain ? plain : "";
	msv_text_printf(&dns->test->asked, "%s %s\n", type_name((int)type), plain);
	if (find_fault(dns->zone, plain, (int)type) == MSV_ERR_TIMEOUT)
		ms += SILENCE_MS;
	if (!ms)
		answer(dns->zone, plain, type, op);
	else if (answer_later(dns, plain, type, ms, op))
		msv_op_answer(op.op, MSV_ERR_NOMEM);
}

/* -- The whole ------------------------------------------------------------------------------- */

const struct msv_dns *msv_test_dns(struct msv_test_env *test, const char *zone)
{
	struct dns *dns = msv_test_keep(test, sizeof(*dns));
	int error;

	if (!dns)
		return NULL;
	dns->table = (struct msv_dns){ .size = sizeof(dns->table), .self = dns, .query = query };
	dns->test = test;
	dns->zone = read_zone(test, zone, &error);
	return dns->zone ? &dns->table : NULL;
}

int msv_test_dns_zone(const struct msv_dns *dns, const char *zone)
{
	struct dns *self = dns->self;
	int error;
	struct zone *read = read_zone(self->test, zone, &error);

	if (read)
		self->zone = read;
	return error;
}

void msv_test_dns_late(const struct msv_dns *dns, uint64_t ms)
{
	((struct dns *)dns->self)->late = ms;
}

const char *msv_test_dns_asked(const struct msv_dns *dns)
{
	struct msv_test_env *test = ((struct dns *)dns->self)->test;
	struct msv_text shown = test->asked_shown;

	test->asked_shown = test->asked;
	test->asked = shown;
	msv_text_clear(&test->asked);
	return msv_text_cstr(&test->asked_shown);
}
