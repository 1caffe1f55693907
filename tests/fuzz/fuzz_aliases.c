/*
 * The aliases file, its lists, and the tables of masquerading and senders,
 * whatever their bytes: names are found, expansion ends and gives sound leaves, headers
 * keep what is no address, and SRS addresses find the way back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/utf8.h"
#include "mta/aliases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Unlike assert(), there in every build. */
#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

/* Expansions tried of one file. */
#define TRIED_MAX 64

static bool is_line(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return *text && msv_utf8_valid(text, strlen(text));
}

static void on_report(void *user, enum msv_log_level level, const char *line)
{
	(void)user;
	MUST(level <= MSV_LOG_DEBUG && *line && !strchr(line, '\n'));
}

static void on_step(void *user, const char *text)
{
	(void)user;
	MUST(*text && !strchr(text, '\n'));
}

/* Every list is the file itself; one is not at hand, one is not there. */
static int read_file(void *user, const char *path, struct msv_buf *out)
{
	const struct msv_span *text = user;

	MUST(*path == '/');
	if (strcmp(path, "/busy") == 0)
		return MSV_ERR_BUSY;
	if (strcmp(path, "/missing") == 0)
		return MSV_ERR_NOTFOUND;
	return msv_buf_put(out, text->p, text->n);
}

/* -- Expansion ---------------------------------------------------------------------- */

static void leaf_is_sound(const struct msv_aliases *aliases, const struct msv_leaf *leaf)
{
	struct msv_smtp_mailbox box;

	switch (leaf->kind) {
	case MSV_LEAF_LOCAL:
		MUST(strchr(leaf->address, '@') && leaf->local && leaf->domain);
		break;
	case MSV_LEAF_REMOTE:
		MUST(msv_smtp_mailbox_parse(leaf->address, strlen(leaf->address), &box) == 0);
		MUST(strcmp(box.local, leaf->local) == 0 && strcmp(box.domain, leaf->domain) == 0);
		MUST(!msv_aliases_domain(aliases, leaf->domain));
		break;
	case MSV_LEAF_PROGRAM: {
		const char *const *words = msv_aliases_program(aliases, leaf->name, leaf->index);
		MUST(words && words[0][0] == '/');
		break;
	}
	case MSV_LEAF_ERROR:
		MUST(leaf->code >= 400 && leaf->code <= 599);
		MUST(leaf->enhanced[0] - '0' == leaf->code / 100 && is_line(leaf->text));
		break;
	default:
		break;
	}
	MUST(!leaf->sender || strstr(leaf->sender, "owner-"));
}

/* Half of all names are accounts. */
static bool is_account(const char *name)
{
	unsigned h = 0;

	for (; *name; name++)
		h = 31 * h + (unsigned char)*name;
	return h & 1;
}

static void expand(struct msv_aliases *aliases, const char *local, const char *domain)
{
	struct msv_smtp_mailbox box;
	struct msv_expansion x;
	size_t calls = 0, good = 0;

	if (msv_alias_compose(local, domain, &box) != 0)
		return;
	struct msv_smtp_address to = msv_smtp_address_of(&box);
	MUST(msv_expand(aliases, &to, on_step, NULL, &x) == 0);
	for (size_t i = 0; i < x.nleaves; i++) {
		calls = 0;
		while (x.leaves[i].kind == MSV_LEAF_LOCAL && !is_account(x.leaves[i].address)) {
			leaf_is_sound(aliases, &x.leaves[i]);
			MUST(msv_expansion_no_account(&x, i) == 0 && ++calls < 13);
		}
		leaf_is_sound(aliases, &x.leaves[i]);
		good += x.leaves[i].kind != MSV_LEAF_GONE;
	}
	MUST(good > 0 && x.nleaves <= MSV_ALIAS_LEAVES_MAX + 1);
	msv_expansion_fini(&x);
}

static void expand_all(struct msv_aliases *aliases)
{
	for (size_t i = 0; i < aliases->naliases && i < TRIED_MAX; i++) {
		const struct msv_alias *alias = &aliases->aliases[i];
		const char *at = strrchr(alias->key, '@');
		char local[MSV_SMTP_LOCAL_MAX + 1];
		MUST(at && msv_aliases_find(aliases, alias->key) == alias && alias->ntargets > 0);
		snprintf(local, sizeof local, "%.*s", (int)(at - alias->key), alias->key);
		expand(aliases, *local ? local : "x+y", at[1] ? at + 1 : "example.org");
	}
	expand(aliases, "postmaster", "example.org");
	expand(aliases, "mailer-daemon+x", "b.example");
}

static struct msv_aliases *load(struct msv_env *env, struct msv_span text, bool programs)
{
	static const char *const domains[] = { "example.org", "b.example" };
	struct msv_aliases_options options = { .domains = domains,
		.ndomains = 2,
		.postmaster = "boss@b.example",
		.programs = programs,
		.read_file = read_file,
		.report = on_report,
		.user = &text };
	struct msv_aliases *aliases;
	int error = msv_aliases_new(env, &options, text.p, text.n, &aliases);

	MUST(error == 0 || error == MSV_ERR_BUSY);
	return error ? NULL : aliases;
}

/* -- The tables ----------------------------------------------------------------------- */

/* Takes a line "key value" off the text; false: no more. */
static bool next_pair(struct msv_span *text, char key[1000], char value[1000])
{
	const char *end = memchr(text->p, '\n', text->n);
	size_t n = end ? (size_t)(end - text->p) : text->n;
	const char *blank = memchr(text->p, ' ', n);
	size_t nkey = blank ? (size_t)(blank - text->p) : n;

	if (!text->n)
		return false;
	snprintf(key, 1000, "%.*s", (int)(nkey < 999 ? nkey : 999), text->p);
	snprintf(value, 1000, "%.*s", blank ? (int)(n - nkey - 1 < 999 ? n - nkey - 1 : 999) : 0,
	    blank ? blank + 1 : "");
	n += end != NULL;
	text->p += n;
	text->n -= n;
	return true;
}

static void masquerade(struct msv_env *env, struct msv_span text)
{
	static const char signature[] = "DKIM-Signature: v=1\r\n";
	struct msv_span rest = text;
	struct msv_masquerade m;
	struct msv_buf out, signed_text;
	char key[1000], value[1000];
	const char *mistake;

	msv_masquerade_init(&m, env);
	while (next_pair(&rest, key, value)) {
		int error = msv_masquerade_add(&m, key, value, &mistake);
		MUST(error == 0 || (error == MSV_ERR_FORMAT && *mistake));
	}
	MUST(msv_masquerade_add(&m, "@a.example", "@b.example", &mistake) == 0);
	msv_buf_init(&out, env);
	int changed = msv_masquerade_header(&m, text.p, text.n, &out);
	MUST(changed == 0 || changed == 1);
	MUST(changed ? msv_buf_len(&out) > 0 : msv_buf_len(&out) == 0);
	msv_buf_init(&signed_text, env);
	msv_buf_put(&signed_text, signature, sizeof signature - 1);
	msv_buf_put(&signed_text, text.p, text.n);
	msv_buf_clear(&out);
	MUST(msv_masquerade_header(
	         &m, msv_buf_data(&signed_text), msv_buf_len(&signed_text), &out) == 0);
	msv_buf_fini(&signed_text);
	msv_buf_fini(&out);
	msv_masquerade_fini(&m);
}

static void check_sender(struct msv_env *env, struct msv_aliases *aliases, struct msv_span text)
{
	struct msv_smtp_address from = { "x+y@example.org", "x+y", "example.org" };
	struct msv_sender_check check = { 0 };
	struct msv_senders senders;
	struct msv_buf why;
	char key[1000], value[1000];
	const char *mistake;

	msv_senders_init(&senders, env);
	while (next_pair(&text, key, value)) {
		int error = msv_senders_add(&senders, key, value, &mistake);
		MUST(error == 0 || (error == MSV_ERR_FORMAT && *mistake));
	}
	struct msv_sender_question question = { aliases, &senders, "anna@example.org", &from };
	msv_buf_init(&why, env);
	int error = msv_sender_check(env, &question, &check, &why);
	for (int i = 0; error == MSV_ERR_BUSY; i++) {
		MUST(i < MSV_SENDER_ASKS_MAX && check.ask);
		error = msv_sender_answer(&check, is_account(check.ask), &why);
	}
	MUST((error == 0 || error == MSV_ERR_DENIED) && msv_buf_len(&why) > 0);
	msv_sender_check_fini(&check);
	msv_buf_fini(&why);
	msv_senders_fini(&senders);
}

/* The first line of the text as a sender, and as an SRS address. */
static void srs(struct msv_span text)
{
	static const struct msv_span secret = { "secret", 6 };
	const struct msv_srs with = {
		.secrets = &secret, .nsecrets = 1, .domain = "us.example", .local_max = 255
	};
	struct msv_smtp_mailbox sender, sent, back;
	const char *end = memchr(text.p, '\n', text.n);

	if (end)
		text.n = (size_t)(end - text.p);
	if (msv_smtp_mailbox_parse(text.p, text.n, &sender) != 0)
		return;
	(void)msv_srs_reverse(&with, sender.local, 86400, &back);
	struct msv_smtp_address from = msv_smtp_address_of(&sender);
	if (msv_srs_forward(&with, &from, 86400, &sent) != 1 || !*sender.local ||
	    (msv_srs_is(sender.local) && sender.local[3] == '1'))
		return;
	MUST(msv_srs_reverse(&with, sent.local, 2 * 86400, &back) == 0);
	if (!msv_srs_is(sender.local))
		MUST(strcmp(back.address, sender.address) == 0);
	else
		MUST(strcmp(back.local + 4, sender.local + 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct msv_span text = { n > 1 ? (const char *)data + 1 : "", n > 1 ? n - 1 : 0 };
	struct msv_aliases *aliases;
	struct msv_env *env;

	MUST(msv_env_new(NULL, &env) == 0);
	aliases = load(env, text, n && (data[0] & 1));
	if (aliases) {
		expand_all(aliases);
		check_sender(env, aliases, text);
	}
	msv_aliases_unref(aliases);
	masquerade(env, text);
	srs(text);
	msv_env_free(env);
	return 0;
}
