/* Where mail for an address goes: expanded to leaves, each looked up. */
#include <string.h>

#include "codec/casefold.h"
#include "mta/mta.h"

static void go_on(struct mta_question *q);

static bool is_word(const char *s, const char *word)
{
	return msv_ascii_equals(s, strlen(s), word);
}

void msv_mta_question_fini(struct mta_question *q)
{
	struct msv_env *env = q->mta ? q->mta->env : NULL;
	if (!env)
		return;
	if (q->op)
		msv_op_cancel(q->op);
	msv_expansion_fini(&q->expansion);
	msv_mta_leaf_fini(env, &q->found);
	for (size_t i = 0; i < q->nleaves; i++)
		msv_mta_leaf_fini(env, &q->leaves[i]);
	msv_free(env, q->leaves);
	*q = (struct mta_question){ 0 };
}

int msv_mta_read_rcpt(const char *text, struct msv_smtp_mailbox *out)
{
	if (!is_word(text, "postmaster"))
		return msv_smtp_mailbox_parse(text, strlen(text), out);
	*out = (struct msv_smtp_mailbox){ .address = "postmaster", .local = "postmaster" };
	return 0;
}

static void finish(struct mta_question *q, const struct mta_words *words)
{
	q->done(q->user, words);
}

static void no_memory(struct mta_question *q)
{
	finish(q, &(struct mta_words){ 451, "4.3.0", "Out of memory, try again later" });
}

static void tell(struct mta_question *q, const char *what, const char *text)
{
	if (q->step)
		q->step(q->user, what, text);
}

/* -- A leaf is known ---------------------------------------------------------------- */

/* Keeps q->found and goes on with the next. */
static int keep(struct mta_question *q)
{
	struct msv_env *env = q->mta->env;
	if (msv_grow(env, &q->leaves, &q->cap, q->nleaves + 1, sizeof *q->leaves) != 0)
		return MSV_ERR_NOMEM;
	q->leaves[q->nleaves++] = q->found;
	q->found = (struct mta_leaf){ 0 };
	q->i++;
	return 0;
}

/* Begins q->found with what the expansion says of it. */
static int begin_found(struct mta_question *q, const struct msv_leaf *leaf, enum mta_leaf_kind kind,
    const char *address)
{
	struct msv_env *env = q->mta->env;
	q->found = (struct mta_leaf){ .kind = kind,
		.address = msv_strdup(env, address ? address : ""),
		.sender = msv_strdup(env, leaf->sender),
		.program = leaf->index,
		.several = leaf->several,
		.list = leaf->sender != NULL,
		.forwarded = leaf->forwarded || q->back };
	return q->found.address && (!leaf->sender || q->found.sender) ? 0 : MSV_ERR_NOMEM;
}

/* -- A mailbox ---------------------------------------------------------------------- */

static void accept_in(struct mta_question *q, const char *mailbox)
{
	msv_free(q->mta->env, q->found.mailbox);
	q->found.mailbox = msv_strdup(q->mta->env, mailbox);
	if (!q->found.mailbox || keep(q) != 0)
		no_memory(q);
	else
		go_on(q);
}

static void on_folder(void *user, int error, const void *result)
{
	struct mta_question *q = user;
	(void)result;
	q->op = NULL;
	tell(q, "folder", error ? "there is no folder of the tag's name: INBOX" : q->found.mailbox);
	if (error)
		accept_in(q, "INBOX");
	else if (keep(q) != 0)
		no_memory(q);
	else
		go_on(q);
}

/* The mailbox a tag stands for; NULL: none, or (*error) no memory. */
static char *folder_name(struct mta_question *q, const char *tag, int *error)
{
	const struct msv_store *store = q->mta->store;
	*error = 0;
	if (!tag || strchr(tag, store->separator) || is_word(tag, "INBOX"))
		return NULL;
	char *name = msv_asprintf(q->mta->env, "%s%s", store->prefix ? store->prefix : "", tag);
	if (!name) {
		*error = MSV_ERR_NOMEM;
	} else if (!msv_mailbox_name_valid(name, store->separator)) {
		msv_free(q->mta->env, name);
		name = NULL;
	}
	return name;
}

/* Is there a folder of the tag's name?  Then mail goes there. */
static void look_for_folder(struct mta_question *q)
{
	struct msv_mta *mta = q->mta;
	const struct msv_store *store = mta->store;
	struct msv_actor actor = { .size = sizeof actor,
		.user = q->found.account,
		.home = q->found.home,
		.session_id = q->session_id };
	int error;
	q->found.mailbox = folder_name(q, q->expansion.leaves[q->i].tag, &error);
	if (!q->found.mailbox && !error) {
		accept_in(q, "INBOX");
		return;
	}
	struct msv_status_op op = { error ? NULL : msv_op_new(mta->env, on_folder, q) };
	if (!op.op) {
		no_memory(q);
		return;
	}
	q->op = op.op;
	store->status(store->self, &actor, q->found.mailbox, op);
}

/* -- The account -------------------------------------------------------------------- */

/* The name is nobody's: what else the expansion knows. */
static void try_next(struct mta_question *q)
{
	msv_mta_leaf_fini(q->mta->env, &q->found);
	if (msv_expansion_no_account(&q->expansion, q->i) != 0)
		no_memory(q);
	else
		go_on(q);
}

static void on_account(void *user, int error, const void *result)
{
	struct mta_question *q = user;
	const struct msv_account *account = result;
	struct msv_env *env = q->mta->env;
	q->op = NULL;
	if (error == MSV_ERR_NOTFOUND || error == MSV_ERR_AUTH ||
	    (error == 0 && !account->receives)) {
		try_next(q);
		return;
	}
	if (error) {
		finish(q, &(struct mta_words){
		              451, "4.3.0", "Accounts cannot be looked up now, try again later" });
		return;
	}
	tell(q, "account", account->name);
	q->found.account = msv_strdup(env, account->name);
	q->found.home = msv_strdup(env, account->home ? account->home : "");
	if (q->found.account && q->found.home)
		look_for_folder(q);
	else
		no_memory(q);
}

static void look_up(struct mta_question *q, const struct msv_leaf *leaf)
{
	struct msv_mta *mta = q->mta;
	struct msv_auth_op op = { NULL };
	if (begin_found(q, leaf, MTA_LOCAL, leaf->address) == 0)
		op.op = msv_op_new(mta->env, on_account, q);
	if (!op.op) {
		no_memory(q);
		return;
	}
	q->op = op.op;
	mta->auth->lookup(mta->auth->self, leaf->address, op);
}

/* -- Other hosts, programs ------------------------------------------------------------ */

static const struct mta_words does_not_send = { 554, "5.3.2",
	"This server delivers to its own domains only and does not send to other hosts" };

/* A leaf the queue serves; `words`: why not. */
static int add_remote(struct mta_question *q, const struct msv_leaf *leaf, struct mta_words *words)
{
	char destination[RELAY_DESTINATION_SIZE];
	if (!q->mta->relay) {
		*words = does_not_send;
		return MSV_ERR_UNSUPPORTED;
	}
	if (msv_relay_destination(q->mta->relay, leaf->domain, destination) != 0) {
		*words = (struct mta_words){ 550, "5.1.2", "Not a domain name" };
		return MSV_ERR_FORMAT;
	}
	if (begin_found(q, leaf, MTA_REMOTE, leaf->address) != 0)
		return MSV_ERR_NOMEM;
	q->found.destination = msv_strdup(q->mta->env, destination);
	if (!q->found.destination)
		return MSV_ERR_NOMEM;
	return keep(q);
}

static int add_program(struct mta_question *q, const struct msv_leaf *leaf, struct mta_words *words)
{
	if (!q->mta->relay || !q->mta->programs) {
		*words = (struct mta_words){ 451, "4.3.5", "Programs are not run by this server" };
		return MSV_ERR_UNSUPPORTED;
	}
	if (begin_found(q, leaf, MTA_PROGRAM, leaf->name) != 0)
		return MSV_ERR_NOMEM;
	return keep(q);
}

static int add_discard(struct mta_question *q, const struct msv_leaf *leaf)
{
	if (begin_found(q, leaf, MTA_DISCARD, NULL) != 0)
		return MSV_ERR_NOMEM;
	return keep(q);
}

/* -- All leaves ------------------------------------------------------------------------ */

/* A target that gets nothing.  When mail must wait for it, or there is no other,
 * the address is refused; else the others get it, and the log knows. */
static bool refuses(struct mta_question *q, const struct mta_words *words)
{
	tell(q, "error", words->text);
	if (words->code < 500 || q->expansion.nleaves == 1)
		return true;
	msv_env_log(q->mta->env, MSV_LOG_WARN, "mta alias: a target gets no mail: %s", words->text);
	q->i++;
	return false;
}

/* What is said when no target is left. */
static void refuse_all(struct mta_question *q)
{
	for (size_t i = 0; i < q->expansion.nleaves; i++) {
		const struct msv_leaf *leaf = &q->expansion.leaves[i];
		if (leaf->kind == MSV_LEAF_ERROR) {
			finish(q, &(struct mta_words){ leaf->code, leaf->enhanced, leaf->text });
			return;
		}
	}
	finish(q, &(struct mta_words){ 550, "5.1.1", "No such mailbox here" });
}

/* Adds the leaf at hand, which needs nobody to be asked. */
static int add(struct mta_question *q, const struct msv_leaf *leaf, struct mta_words *words)
{
	switch (leaf->kind) {
	case MSV_LEAF_REMOTE:
		return add_remote(q, leaf, words);
	case MSV_LEAF_PROGRAM:
		return add_program(q, leaf, words);
	case MSV_LEAF_DISCARD:
		return add_discard(q, leaf);
	case MSV_LEAF_ERROR:
		*words = (struct mta_words){ leaf->code, leaf->enhanced, leaf->text };
		return MSV_ERR_NOTFOUND;
	default:
		q->i++;
		return 0;
	}
}

static void go_on(struct mta_question *q)
{
	while (q->i < q->expansion.nleaves) {
		const struct msv_leaf *leaf = &q->expansion.leaves[q->i];
		struct mta_words words;
		if (leaf->kind == MSV_LEAF_LOCAL) {
			look_up(q, leaf);
			return;
		}
		int error = add(q, leaf, &words);
		if (error == MSV_ERR_NOMEM) {
			no_memory(q);
			return;
		}
		if (error && refuses(q, &words)) {
			finish(q, &words);
			return;
		}
	}
	if (q->nleaves == 0)
		refuse_all(q);
	else
		finish(q, &(struct mta_words){ 250, "2.1.5", NULL });
}

/* -- The address ------------------------------------------------------------------------ */

/* Mail for another host, which nobody asked this one to take. */
static const struct mta_words *refusal(const struct mta_question *q)
{
	static const struct mta_words lmtp = { 550, "5.1.2", "Not a domain of this server" };
	static const struct mta_words relaying = { 550, "5.7.1",
		"Relaying denied: not a domain of this server; to send to others log in first, on "
		"the submission port" };
	if (q->trusted && !q->mta->relay)
		return &does_not_send;
	return q->lmtp ? &lmtp : &relaying;
}

/* May mail for that domain be taken from whoever asks? */
static bool may_relay(const struct mta_question *q, const char *domain)
{
	if (!q->mta->relay)
		return false;
	return q->trusted || msv_relay_route(q->mta->relay, domain)->accept;
}

static bool is_local(const struct msv_mta *mta, const char *domain)
{
	return *domain ? msv_aliases_domain(mta->aliases, domain) != NULL : mta->ndomains > 0;
}

/* Another host's address as the only leaf. */
static void route_away(struct mta_question *q, const struct msv_smtp_address *to)
{
	struct msv_leaf leaf = {
		.kind = MSV_LEAF_REMOTE, .address = to->address, .domain = to->domain
	};
	struct mta_words words;
	int error = add_remote(q, &leaf, &words);
	if (error == MSV_ERR_NOMEM)
		no_memory(q);
	else if (error)
		finish(q, &words);
	else
		finish(q, &(struct mta_words){ 250, "2.1.5", NULL });
}

static void on_expand_step(void *user, const char *text)
{
	tell(user, "alias", text);
}

static void expand(struct mta_question *q, const struct msv_smtp_address *to)
{
	msv_expand_step_fn step = q->step ? on_expand_step : NULL;
	if (msv_expand(q->mta->aliases, to, step, q, &q->expansion) != 0)
		no_memory(q);
	else
		go_on(q);
}

void msv_mta_route(struct mta_question *q, const struct msv_smtp_address *given)
{
	struct msv_smtp_mailbox room;
	struct msv_smtp_address to = *given;
	struct mta_words words;
	int back = msv_mta_forward_back(q->mta, given, &room, &words);
	if (back == 0) {
		to = msv_smtp_address_of(&room);
		q->back = true;
		tell(q, "srs", room.address);
	} else if (back != MSV_ERR_NOTFOUND) {
		finish(q, &words);
		return;
	}
	if (is_local(q->mta, to.domain))
		expand(q, &to);
	else if (q->back || may_relay(q, to.domain))
		route_away(q, &to);
	else
		finish(q, refusal(q));
}
