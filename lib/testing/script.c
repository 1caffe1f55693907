/* Reads the script of a dialogue, a step at a time. */
#include <stdlib.h>
#include <string.h>

#include "codec/crypto.h"
#include "testing/script.h"

/* -- What the steps say ---------------------------------------------------------- */

static int read_text(struct msv_step *step, struct msv_span text)
{
	msv_text_put(&step->text, text.p, text.n);
	return 0;
}

static int read_line(struct msv_step *step, struct msv_span text)
{
	read_text(step, text);
	msv_text_put(&step->text, "\r\n", 2);
	return 0;
}

/* One escape at text->p (behind the backslash) into *c. */
static int read_escape(struct msv_span *text, char *c)
{
	static const char names[] = "rnt\\", values[] = "\r\n\t\\";
	const char *name = text->n && *text->p ? strchr(names, *text->p) : NULL;
	size_t used = 1;

	if (name)
		*c = values[name - names];
	else if (text->n < 3 || *text->p != 'x' || msv_hex_decode(text->p + 1, 2, (uint8_t *)c))
		return MSV_ERR_FORMAT;
	else
		used = 3;
	text->p += used;
	text->n -= used;
	return 0;
}

static int read_escaped(struct msv_step *step, struct msv_span text)
{
	while (text.n > 0) {
		char c = *text.p;

		text.p++;
		text.n--;
		if (c == '\\' && read_escape(&text, &c))
			return MSV_ERR_FORMAT;
		msv_text_put(&step->text, &c, 1);
	}
	return 0;
}

static int read_ms(struct msv_step *step, struct msv_span text)
{
	char digits[20] = "", *end;

	if (text.n == 0 || text.n >= sizeof(digits))
		return MSV_ERR_FORMAT;
	memcpy(digits, text.p, text.n);
	step->ms = strtoull(digits, &end, 10);
	return *end ? MSV_ERR_FORMAT : 0;
}

static int read_nothing(struct msv_step *step, struct msv_span text)
{
	(void)step;
	return text.n ? MSV_ERR_FORMAT : 0;
}

static const struct step_type {
	char name[3];
	enum msv_step_kind kind;
	int (*read)(struct msv_step *step, struct msv_span text);
} types[] = {
	{ "C:", MSV_STEP_SEND, read_line },
	{ "C,", MSV_STEP_SEND, read_text },
	{ "C=", MSV_STEP_SEND, read_escaped },
	{ "S:", MSV_STEP_LINE, read_text },
	{ "S*", MSV_STEP_MATCH, read_text },
	{ "S=", MSV_STEP_BYTES, read_escaped },
	{ "S~", MSV_STEP_SKIP, read_nothing },
	{ "T:", MSV_STEP_TIME, read_ms },
	{ "E:", MSV_STEP_EOF, read_nothing },
	{ "X:", MSV_STEP_CLOSED, read_nothing },
};

/* The step's name; a client under test is told what a server under test says. */
static void name_of(struct msv_span text, bool client, char name[2])
{
	memcpy(name, text.p, 2);
	if (client && (name[0] == 'C' || name[0] == 'S'))
		name[0] = name[0] == 'C' ? 'S' : 'C';
}

static int read_step(struct msv_step *step, bool client)
{
	struct msv_span text = step->source;
	char name[2];

	if (text.n < 2 || (text.n > 2 && text.p[2] != ' '))
		return MSV_ERR_FORMAT;
	name_of(text, client, name);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (memcmp(types[i].name, name, 2) != 0)
			continue;
		size_t skip = text.n > 2 ? 3 : 2;
		text.p += skip;
		text.n -= skip;
		step->kind = types[i].kind;
		return types[i].read(step, text);
	}
	return MSV_ERR_FORMAT;
}

/* -- Lines ------------------------------------------------------------------------- */

/* The next line of the script, without the white space before it. */
static struct msv_span next_line(struct msv_script *script)
{
	size_t n = strcspn(script->p, "\n");
	struct msv_span line = { script->p, n };

	script->p += n + (script->p[n] != '\0');
	script->line++;
	while (line.n && (*line.p == ' ' || *line.p == '\t')) {
		line.p++;
		line.n--;
	}
	return line;
}

int msv_script_next(struct msv_script *script, struct msv_step *step)
{
	msv_text_clear(&step->text);
	step->kind = MSV_STEP_END;
	do {
		if (*script->p == '\0')
			return 0;
		step->source = next_line(script);
		step->line = script->line;
	} while (step->source.n == 0 || *step->source.p == '#');
	return read_step(step, script->client);
}

bool msv_script_match(struct msv_span pattern, struct msv_span text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, from = 0;

	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = ++p;
			from = t;
		} else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == text.p[t])) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star;
			t = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}
