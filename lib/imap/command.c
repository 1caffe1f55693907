/* The commands of RFC 3501 and its extensions, and which one a line means. */
#include "imap/imap.h"

#include <string.h>

#include "codec/casefold.h"

static const struct imap_command_def commands[] = {
	/* any state */
	{ "CAPABILITY", IMAP_ANY, 0, msv_imap_run_capability, NULL },
	{ "NOOP", IMAP_ANY, IMAP_CMD_LOOK, msv_imap_run_noop, NULL },
	{ "LOGOUT", IMAP_ANY, IMAP_CMD_NO_SYNC, msv_imap_run_logout, NULL },
	{ "ID", IMAP_ANY, 0, msv_imap_run_id, NULL }, /* RFC 2971 */
	/* not authenticated */
	{ "STARTTLS", IMAP_NOT_AUTHENTICATED, 0, msv_imap_run_starttls, NULL },
	{ "AUTHENTICATE", IMAP_NOT_AUTHENTICATED, IMAP_CMD_SECRET, msv_imap_run_authenticate,
	    NULL },
	{ "LOGIN", IMAP_NOT_AUTHENTICATED, IMAP_CMD_SECRET, msv_imap_run_login,
	    msv_imap_login_literal },
	/* authenticated */
	{ "ENABLE", IMAP_LOGGED_IN, 0, msv_imap_run_enable, NULL }, /* RFC 5161 */
	{ "SELECT", IMAP_LOGGED_IN, IMAP_CMD_NO_SYNC, msv_imap_run_select, NULL },
	{ "EXAMINE", IMAP_LOGGED_IN, IMAP_CMD_NO_SYNC, msv_imap_run_examine, NULL },
	{ "CREATE", IMAP_LOGGED_IN, 0, msv_imap_run_create, NULL },
	{ "DELETE", IMAP_LOGGED_IN, 0, msv_imap_run_delete, NULL },
	{ "RENAME", IMAP_LOGGED_IN, IMAP_CMD_LOOK, msv_imap_run_rename, NULL },
	{ "SUBSCRIBE", IMAP_LOGGED_IN, 0, msv_imap_run_subscribe, NULL },
	{ "UNSUBSCRIBE", IMAP_LOGGED_IN, 0, msv_imap_run_unsubscribe, NULL },
	{ "LIST", IMAP_LOGGED_IN, 0, msv_imap_run_list, NULL },
	{ "LSUB", IMAP_LOGGED_IN, 0, msv_imap_run_lsub, NULL },
	{ "NAMESPACE", IMAP_LOGGED_IN, 0, msv_imap_run_namespace, NULL }, /* RFC 2342 */
	{ "STATUS", IMAP_LOGGED_IN, 0, msv_imap_run_status, NULL },
	{ "APPEND", IMAP_LOGGED_IN, IMAP_CMD_LOOK, msv_imap_run_append, msv_imap_append_literal },
	{ "IDLE", IMAP_LOGGED_IN, IMAP_CMD_NO_SYNC, msv_imap_run_idle, NULL }, /* RFC 2177 */
	/* selected */
	{ "CHECK", IMAP_SELECTED, IMAP_CMD_LOOK, msv_imap_run_check, NULL },
	{ "CLOSE", IMAP_SELECTED, IMAP_CMD_NO_SYNC, msv_imap_run_close, NULL },
	{ "UNSELECT", IMAP_SELECTED, IMAP_CMD_NO_SYNC, msv_imap_run_unselect, NULL }, /* RFC 3691 */
	{ "EXPUNGE", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_LOOK, msv_imap_run_expunge, NULL },
	{ "SEARCH", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_KEEPS_SEQS, msv_imap_run_search, NULL },
	{ "FETCH", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_KEEPS_SEQS, msv_imap_run_fetch, NULL },
	{ "STORE", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_KEEPS_SEQS, msv_imap_run_store, NULL },
	{ "COPY", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_LOOK, msv_imap_run_copy, NULL },
	{ "MOVE", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_LOOK, msv_imap_run_move, NULL }, /* 6851 */
};

static const struct imap_command_def *find_command(struct msv_span name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (msv_imap_is(name, commands[i].name))
			return &commands[i];
	}
	return NULL;
}

/* A tag is an astring's characters but "+" (RFC 3501 9). */
static bool take_tag(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span tag;

	if (!msv_imap_arg_peek(a))
		return msv_imap_arg_fail(a, "Empty command");
	if (!msv_imap_arg_tag(a, &tag) || tag.n > IMAP_TAG_MAX)
		return msv_imap_arg_fail(a, "Invalid tag");
	memcpy(s->cmd.tag, tag.p, tag.n);
	s->cmd.tag[tag.n] = '\0';
	return msv_imap_arg_peek(a) ? msv_imap_arg_space(a)
	                            : msv_imap_arg_fail(a, "Missing command");
}

/* What is missing or wrong is said in these words, whatever piece was missed. */
static bool complain(struct imap_args *a, const char *error)
{
	a->error = error;
	return false;
}

/* The command's name, with UID in front where that makes one. */
static bool take_name(struct imap_session *s)
{
	struct imap_args *a = &s->cmd.args;
	struct msv_span name;

	if (!msv_imap_arg_atom(a, &name))
		return complain(a, "Missing command");
	bool uid = msv_imap_is(name, "UID");
	if (uid && (!msv_imap_arg_space(a) || !msv_imap_arg_atom(a, &name)))
		return complain(a, "UID stands before a command");
	const struct imap_command_def *def = find_command(name);
	if (!def || (uid && !(def->flags & IMAP_CMD_UID)))
		return msv_imap_arg_fail(a, "Unknown command");
	s->cmd.uid = uid;
	s->cmd.def = def;
	return true;
}

static bool check_state(struct imap_session *s)
{
	if (s->cmd.def->states & s->state)
		return true;
	if (s->state == IMAP_NOT_AUTHENTICATED)
		return msv_imap_arg_fail(&s->cmd.args, "Log in first");
	if (s->cmd.def->states == IMAP_NOT_AUTHENTICATED)
		return msv_imap_arg_fail(&s->cmd.args, "Already logged in");
	return msv_imap_arg_fail(&s->cmd.args, "No mailbox is selected");
}

void msv_imap_aim(struct imap_session *s)
{
	const char *p = msv_buf_data(&s->cmd.text);

	s->cmd.args.p = p + s->cmd.resume;
	s->cmd.args.end = p + msv_buf_len(&s->cmd.text);
}

bool msv_imap_identify(struct imap_session *s)
{
	if (s->cmd.identified)
		return !s->cmd.args.error;
	s->cmd.identified = true;
	s->cmd.args.arena = &s->cmd.arena;
	msv_imap_aim(s);
	if (!take_tag(s) || !take_name(s) || !check_state(s))
		return false;
	s->cmd.resume = (size_t)(s->cmd.args.p - msv_buf_data(&s->cmd.text));
	return true;
}
