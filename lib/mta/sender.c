/* Which account may send as which address. */
#include <string.h>

#include "codec/casefold.h"
#include "mta/aliases.h"

#define OWN_ADDRESS "the account's own address"

void msv_senders_init(struct msv_senders *senders, struct msv_env *env)
{
	senders->env = env;
	msv_table_init(&senders->table, env);
}

void msv_senders_fini(struct msv_senders *senders)
{
	msv_table_fini(&senders->table);
}

/* -- The table -------------------------------------------------------------------- */

/* Writes what a name is compared by; a row's key or value.  NULL, with *error set:
 * it is none. */
static const char *fold(const char *name, struct msv_buf *out, int *error)
{
	msv_buf_clear(out);
	*error = strcmp(name, "*") == 0
	             ? msv_buf_puts(out, "*")
	             : msv_alias_key_fold((struct msv_span){ name, strlen(name) }, out);
	const char *text = *error ? NULL : msv_buf_cstr(out);
	if (!text && !*error)
		*error = MSV_ERR_NOMEM;
	return text;
}

int msv_senders_add(
    struct msv_senders *senders, const char *account, const char *as, const char **mistake)
{
	struct msv_buf key, value;
	int error;

	*mistake = NULL;
	msv_buf_init(&key, senders->env);
	msv_buf_init(&value, senders->env);
	const char *k = fold(account, &key, &error);
	if (error == MSV_ERR_FORMAT || (k && *k == '@'))
		*mistake = "this is no account; write user@example.org, user or *";
	const char *v = error || *mistake ? NULL : fold(as, &value, &error);
	size_t n = v ? strlen(v) : 0;
	if (!*mistake &&
	    (error == MSV_ERR_FORMAT || (v && *v != '*' && (n < 2 || v[n - 1] == '@'))))
		*mistake = "accounts may send as an address, as @example.org or as *";
	if (*mistake)
		error = MSV_ERR_FORMAT;
	if (!error)
		error = msv_table_add(&senders->table, k, v);
	msv_buf_fini(&key);
	msv_buf_fini(&value);
	return error;
}

/* -- Answers ---------------------------------------------------------------------- */

static int allow(struct msv_buf *why, const char *reason)
{
	return msv_buf_puts(why, reason) == 0 ? 0 : MSV_ERR_NOMEM;
}

static int deny(const struct msv_sender_check *check, struct msv_buf *why)
{
	int error = msv_buf_printf(why,
	    "%s may not send as %s; use an address of this account, or ask the administrator to "
	    "allow this one",
	    check->account, check->from);
	return error ? error : MSV_ERR_DENIED;
}

/* An address to compare with others. */
struct candidate {
	struct msv_buf whole, base; /* folded, with its tag and without */
	const char *domain;         /* "@example.org", inside of `whole` */
};

static int candidate_init(
    struct candidate *c, struct msv_env *env, const char *local, const char *domain, char separator)
{
	const char *mark = strchr(local, separator);
	char part[MSV_SMTP_LOCAL_MAX + 1];
	size_t n = mark && mark > local ? (size_t)(mark - local) : strlen(local);

	msv_buf_init(&c->whole, env);
	msv_buf_init(&c->base, env);
	n = n < sizeof part ? n : sizeof part - 1;
	memcpy(part, local, n);
	part[n] = '\0';
	int error = msv_alias_fold(local, domain, &c->whole);
	if (!error)
		error = msv_alias_fold(part, domain, &c->base);
	const char *whole = error ? NULL : msv_buf_cstr(&c->whole);
	if (!whole || !msv_buf_cstr(&c->base))
		return MSV_ERR_NOMEM;
	c->domain = strrchr(whole, '@');
	return 0;
}

static void candidate_fini(struct candidate *c)
{
	msv_buf_fini(&c->whole);
	msv_buf_fini(&c->base);
}

static bool candidate_is(const struct candidate *c, const char *key)
{
	return strcmp(msv_buf_data(&c->whole), key) == 0 ||
	       strcmp(msv_buf_data(&c->base), key) == 0;
}

/* Does a row of that account allow the address? */
static const struct msv_table_row *find_row(
    struct msv_senders *senders, const char *account, const struct candidate *c)
{
	size_t n;
	const struct msv_table_row *row = msv_table_find(&senders->table, account, &n);

	for (; n > 0; n--, row++)
		if (strcmp(row->value, "*") == 0 || strcmp(row->value, c->domain) == 0 ||
		    candidate_is(c, row->value))
			return row;
	return NULL;
}

/* -- Whose mail it is ------------------------------------------------------------- */

/* "user@example.org" or a bare "user", as accounts are named, folded. */
static char *account_key(struct msv_env *env, const char *account)
{
	const char *at = strrchr(account, '@');
	char *local = msv_strndup(env, account, at ? (size_t)(at - account) : strlen(account));
	char *key = NULL;
	struct msv_buf folded;

	msv_buf_init(&folded, env);
	if (local && msv_alias_fold(local, at ? at + 1 : "", &folded) == 0)
		key = msv_strndup(env, msv_buf_data(&folded), msv_buf_len(&folded));
	msv_buf_fini(&folded);
	msv_free(env, local);
	return key;
}

/* Is the leaf the account's?  1, 0, MSV_ERR_NOMEM. */
static int is_own(const struct msv_sender_check *check, const struct msv_leaf *leaf)
{
	if (leaf->kind != MSV_LEAF_LOCAL)
		return 0;
	char *key = account_key(check->env, leaf->address);
	int own = key ? strcmp(key, check->account_key) == 0 : MSV_ERR_NOMEM;
	msv_free(check->env, key);
	return own;
}

/* Goes through the leaves from `leaf` on until one must be looked up. */
static int look(struct msv_sender_check *check, struct msv_buf *why)
{
	struct msv_expansion *x = &check->expansion;

	for (; check->leaf < x->nleaves; check->leaf++) {
		const struct msv_leaf *leaf = &x->leaves[check->leaf];
		int own = is_own(check, leaf);
		if (own)
			return own < 0 ? own
			               : allow(why, "mail to this address reaches the account");
		if (leaf->kind == MSV_LEAF_LOCAL && check->asked < MSV_SENDER_ASKS_MAX) {
			check->ask = leaf->address;
			check->asked++;
			return MSV_ERR_BUSY;
		}
	}
	check->ask = NULL;
	return deny(check, why);
}

/* Who gets the mail of the address? */
static int expand(
    struct msv_sender_check *check, const struct msv_sender_question *question, struct msv_buf *why)
{
	int error = msv_expand(question->aliases, question->from, NULL, NULL, &check->expansion);
	int own = 0;

	if (error)
		return error;
	/* Those that are found without asking go first: a list may be long. */
	for (size_t i = 0; i < check->expansion.nleaves && !own; i++)
		own = is_own(check, &check->expansion.leaves[i]);
	if (own)
		return own < 0 ? own : allow(why, "mail to this address reaches the account");
	return look(check, why);
}

/* -- The question ----------------------------------------------------------------- */

/* Its own address with a tag: unless that is an account too. */
static int ask_tagged(
    struct msv_sender_check *check, const struct msv_sender_question *question, struct msv_buf *why)
{
	const struct msv_smtp_address *from = question->from;
	const char *domain = msv_aliases_domain(question->aliases, from->domain);

	if (!domain)
		return allow(why, OWN_ADDRESS);
	check->tagged = msv_asprintf(check->env, "%s@%s", from->local, domain);
	check->ask = check->tagged;
	return check->tagged ? MSV_ERR_BUSY : MSV_ERR_NOMEM;
}

/* An account without a domain: the address of that name in a domain of ours, unless
 * it is somebody else's. */
static bool is_bare_own(const struct msv_sender_check *check,
    const struct msv_sender_question *question, const struct candidate *c)
{
	size_t n = strcspn(check->account_key, "@");
	const char *whole = msv_buf_data(&c->whole);

	return !strchr(check->account, '@') && strncmp(whole, check->account_key, n) == 0 &&
	       whole + n == c->domain &&
	       msv_aliases_domain(question->aliases, question->from->domain);
}

/* What the account and the table say; MSV_ERR_NOTFOUND: nothing. */
static int ask_tables(struct msv_sender_check *check, const struct msv_sender_question *question,
    const struct candidate *c, struct msv_buf *why)
{
	struct msv_senders *senders = question->senders;
	const struct msv_table_row *row = NULL;

	if (strcmp(msv_buf_data(&c->whole), check->account_key) == 0)
		return allow(why, OWN_ADDRESS);
	if (senders && !(row = find_row(senders, check->account_key, c)))
		row = find_row(senders, "*", c);
	if (row)
		return allow(why, "allowed by the table of senders");
	return strcmp(msv_buf_data(&c->base), check->account_key) == 0 ||
	               is_bare_own(check, question, c)
	           ? ask_tagged(check, question, why)
	           : MSV_ERR_NOTFOUND;
}

int msv_sender_check(struct msv_env *env, const struct msv_sender_question *question,
    struct msv_sender_check *check, struct msv_buf *why)
{
	const struct msv_smtp_address *from = question->from;
	struct candidate c;

	if (!*from->local && !*from->domain)
		return allow(why, "the empty sender");
	check->env = env;
	check->account = msv_strdup(env, question->account);
	check->account_key = account_key(env, question->account);
	check->from = msv_strdup(env, from->address);
	if (!check->account || !check->account_key || !check->from)
		return MSV_ERR_NOMEM;
	int error =
	    candidate_init(&c, env, from->local, from->domain, question->aliases->tag_separator);
	if (!error)
		error = ask_tables(check, question, &c, why);
	candidate_fini(&c);
	if (error != MSV_ERR_NOTFOUND)
		return error;
	return msv_aliases_domain(question->aliases, from->domain) ? expand(check, question, why)
	                                                           : deny(check, why);
}

int msv_sender_answer(struct msv_sender_check *check, bool is_account, struct msv_buf *why)
{
	if (!check->ask)
		return MSV_ERR_DENIED;
	check->ask = NULL;
	if (check->tagged)
		return is_account ? deny(check, why) : allow(why, OWN_ADDRESS);
	if (is_account) {
		check->leaf++;
	} else {
		int error = msv_expansion_no_account(&check->expansion, check->leaf);
		if (error)
			return error;
	}
	return look(check, why);
}

void msv_sender_check_fini(struct msv_sender_check *check)
{
	msv_expansion_fini(&check->expansion);
	if (check->env) {
		msv_free(check->env, check->account);
		msv_free(check->env, check->account_key);
		msv_free(check->env, check->from);
		msv_free(check->env, check->tagged);
	}
	*check = (struct msv_sender_check){ 0 };
}
