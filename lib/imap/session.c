/* The session: a conn that runs one command after another. */
#include "imap/imap.h"

#include <string.h>

enum {
	PREAUTH_LINE_MAX = 8192,
	COMMAND_MAX = 65536,
	ERRORS_MAX = 20,
	AUTH_FAILURES_MAX = 5,
	LOGIN_S = 180,
	IDLE_S = 1860,
	IDLE_MIN_S = 1800, /* RFC 3501 5.4 */
	KEEPALIVE_S = 120,
	OUTPUT_WINDOW = 32768,
};
#define APPEND_MAX (UINT64_C(64) * 1024 * 1024)

/* -- Time ---------------------------------------------------------------------- */

static uint64_t after(const struct imap_session *s, uint32_t seconds)
{
	return msv_env_now(s->conn.env) + (uint64_t)seconds * 1000;
}

static void set_deadline(struct imap_session *s)
{
	s->conn.deadline = s->logout_at < s->keepalive_at ? s->logout_at : s->keepalive_at;
}

/* The client did something: the time until autologout begins anew.  Before login
 * there is one time for all. */
static void touch(struct imap_session *s)
{
	if (s->state != IMAP_NOT_AUTHENTICATED)
		s->logout_at = after(s, s->config.idle_s);
	set_deadline(s);
}

void msv_imap_set_idling(struct imap_session *s, bool idling)
{
	s->idling = idling;
	s->keepalive_at =
	    idling && s->config.keepalive_s ? after(s, s->config.keepalive_s) : MSV_NEVER;
	set_deadline(s);
}

static void expire(struct msv_conn *conn)
{
	struct imap_session *s = (struct imap_session *)conn;

	if (msv_env_now(conn->env) >= s->logout_at) {
		msv_imap_bye(s, s->state == IMAP_NOT_AUTHENTICATED
		                    ? "Too long without a login"
		                    : "Autologout: too long without a command");
		return;
	}
	if (msv_imap_room(s) && !s->partial)
		msv_imap_untagged(s, "OK Still here");
	msv_imap_set_idling(s, true);
}

/* -- Asking -------------------------------------------------------------------- */

enum imap_run msv_imap_nomem(struct imap_session *s)
{
	msv_conn_break(&s->conn);
	return IMAP_WAIT;
}

static void answered(void *user, int error, const void *result)
{
	struct imap_session *s = user;

	s->op = NULL;
	s->paused = false;
	s->answered(s, error, result);
	msv_conn_kick(&s->conn);
}

struct msv_op *msv_imap_ask(struct imap_session *s, imap_answer_fn fn)
{
	struct msv_op *op = msv_op_new(s->conn.env, answered, s);

	if (!op) {
		msv_imap_nomem(s);
		return NULL;
	}
	s->op = op;
	s->answered = fn;
	return op;
}

static int take_row(void *user, const void *row)
{
	struct imap_session *s = user;
	int verdict = s->row(s, row);

	s->paused = verdict == MSV_PAUSE;
	msv_conn_kick(&s->conn);
	return verdict;
}

struct msv_op *msv_imap_ask_rows(
    struct imap_session *s, imap_answer_fn fn, int (*row)(struct imap_session *s, const void *row))
{
	struct msv_op *op = msv_imap_ask(s, fn);

	if (op) {
		s->row = row;
		msv_op_set_row(op, take_row);
	}
	return op;
}

static void resume_rows(struct imap_session *s)
{
	if (!s->paused || !msv_imap_room(s))
		return;
	s->paused = false;
	msv_op_resume(s->op);
}

bool msv_imap_room(const struct imap_session *s)
{
	return msv_conn_room(&s->conn) > 0;
}

bool msv_imap_turn_over(struct imap_session *s, size_t work)
{
	s->work += work;
	if (s->work < IMAP_TURN)
		return false;
	s->work = 0;
	msv_conn_yield(&s->conn);
	return true;
}

/* -- One command after another --------------------------------------------------- */

static enum imap_run refuse(struct imap_session *s)
{
	return msv_imap_bad_args(s);
}

static enum imap_run refuse_and_end(struct imap_session *s)
{
	msv_imap_bad_args(s);
	msv_buf_put(&s->conn.out, msv_buf_data(&s->cmd.reply), msv_buf_len(&s->cmd.reply));
	msv_imap_bye(s, "Cannot tell where the next command begins");
	return IMAP_WAIT;
}

/* Reads the next command; false when it is not there yet. */
static bool begin_command(struct imap_session *s)
{
	if (!msv_imap_room(s))
		return false;
	switch (msv_imap_read(s)) {
	case IMAP_READ_MORE:
		if (s->conn.eof)
			msv_conn_end(&s->conn);
		return false;
	case IMAP_READ_COMMAND:
	case IMAP_READ_STREAM:
		s->cmd.run = s->cmd.def->run;
		break;
	case IMAP_READ_FAILED:
		s->cmd.run = refuse;
		break;
	case IMAP_READ_FATAL:
		s->cmd.run = refuse_and_end;
		break;
	}
	return true;
}

static void drop_data(struct imap_session *s)
{
	if (s->cmd.fini)
		s->cmd.fini(s, s->cmd.data);
	msv_free(s->conn.env, s->cmd.data);
	s->cmd.data = NULL;
	s->cmd.fini = NULL;
}

void *msv_imap_data(
    struct imap_session *s, size_t n, void (*fini)(struct imap_session *s, void *data))
{
	drop_data(s);
	s->cmd.data = msv_alloc(s->conn.env, n);
	if (!s->cmd.data)
		msv_imap_nomem(s);
	else
		s->cmd.fini = fini;
	return s->cmd.data;
}

/* Lets go of what the command held. */
static void drop_command(struct imap_session *s)
{
	struct imap_command *cmd = &s->cmd;

	drop_data(s);
	if (cmd->def && cmd->def->flags & IMAP_CMD_SECRET) {
		msv_free_secret(s->conn.env, cmd->text.p, cmd->text.cap);
		msv_buf_init(&cmd->text, s->conn.env);
	}
	msv_buf_fini(&cmd->text);
	msv_buf_fini(&cmd->reply);
	msv_arena_fini(&cmd->arena);
	cmd->run = NULL;
	msv_imap_reader_reset(s);
}

static void end_command(struct imap_session *s)
{
	drop_command(s);
	touch(s);
	if (s->view.stale)
		msv_imap_bye(s, "The selected mailbox is gone");
	else if (s->errors >= s->config.errors_max)
		msv_imap_bye(s, "Too many errors");
	else if (s->auth_failures >= s->config.auth_failures_max)
		msv_imap_bye(s, "Too many failed logins");
}

/* Does one thing; false when there is none to do now. */
static bool advance(struct imap_session *s)
{
	if (s->op) {
		resume_rows(s);
		return false;
	}
	if (!s->cmd.run && !begin_command(s))
		return false;
	if (!s->idling)
		touch(s);
	switch (s->cmd.run(s)) {
	case IMAP_WAIT:
		return false;
	case IMAP_AGAIN:
		return true;
	case IMAP_DONE:
		end_command(s);
	}
	return true;
}

static void greet(struct imap_session *s)
{
	struct msv_buf *out = &s->conn.out;

	s->greeted = true;
	msv_imap_log(s, "connect", NULL);
	msv_buf_puts(out, s->state == IMAP_NOT_AUTHENTICATED ? "* OK [" : "* PREAUTH [");
	msv_imap_put_capability(s, out);
	msv_buf_printf(out, "] %s ready\r\n", s->config.hostname);
}

static void step(struct msv_conn *conn)
{
	struct imap_session *s = (struct imap_session *)conn;

	if (!s->greeted)
		greet(s);
	while (!msv_conn_ended(conn) && advance(s))
		;
}

/* -- Beginning and end ------------------------------------------------------------ */

static void say_goodbye(struct msv_conn *conn, enum msv_shutdown why)
{
	static const char *const texts[] = {
		[MSV_SHUTDOWN_SERVICE] = "[UNAVAILABLE] The server stops",
		[MSV_SHUTDOWN_KICK] = "The session was ended",
		[MSV_SHUTDOWN_OVERLOAD] = "[UNAVAILABLE] Too many connections",
	};

	msv_imap_bye((struct imap_session *)conn, texts[why]);
}

static void info(const struct msv_conn *conn, struct msv_conn_info *info)
{
	const struct imap_session *s = (const struct imap_session *)conn;

	if (s->account)
		info->user = s->account->name;
	if (s->view.name)
		info->mailbox = s->view.name;
	info->state = s->cmd.run && s->cmd.def ? s->cmd.def->name
	              : s->account             ? "waiting"
	                                       : "login";
	info->memory += s->view.cap * sizeof(*s->view.m) + s->cmd.text.cap;
	if (s->content.mime)
		info->memory += s->content.mime->arena.bytes;
}

static void destroy(struct msv_conn *conn)
{
	struct imap_session *s = (struct imap_session *)conn;

	if (s->op)
		msv_op_cancel(s->op);
	s->op = NULL;
	drop_command(s);
	if (s->greeted)
		msv_imap_log_end(s);
	msv_sasl_free(s->sasl);
	msv_imap_view_close(s);
	msv_env_realloc(conn->env, s->account, 0);
}

static const struct msv_proto proto = {
	.name = "imap",
	.step = step,
	.expire = expire,
	.shutdown = say_goodbye,
	.info = info,
	.destroy = destroy,
};

static void fill_in(uint32_t *value, uint32_t otherwise)
{
	if (!*value)
		*value = otherwise;
}

static void set_defaults(struct msv_imap_config *c)
{
	if (!c->hostname)
		c->hostname = "localhost";
	if (!c->id_name) {
		c->id_name = "libmailserv";
		c->id_version = msv_version();
	}
	fill_in(&c->preauth_line_max, PREAUTH_LINE_MAX);
	fill_in(&c->command_max, COMMAND_MAX);
	fill_in(&c->errors_max, ERRORS_MAX);
	fill_in(&c->auth_failures_max, AUTH_FAILURES_MAX);
	fill_in(&c->login_s, LOGIN_S);
	fill_in(&c->idle_s, IDLE_S);
	if (c->idle_s < IDLE_MIN_S)
		c->idle_s = IDLE_MIN_S;
	fill_in(&c->keepalive_s, KEEPALIVE_S);
	fill_in(&c->output_window, OUTPUT_WINDOW);
	if (!c->append_max)
		c->append_max = APPEND_MAX;
}

static bool config_valid(const struct msv_imap_config *c)
{
	return c->store && (c->auth || c->account) && (c->tls || !c->implicit_tls);
}

int msv_imap_log_in(struct imap_session *s, const struct msv_account *account)
{
	s->account = msv_account_copy(s->conn.env, account);
	if (!s->account)
		return MSV_ERR_NOMEM;
	s->actor = (struct msv_actor){
		.size = sizeof(s->actor),
		.user = s->account->name,
		.home = s->account->home,
		.account = s->account,
		.session_id = s->conn.peer.session_id,
	};
	s->state = IMAP_AUTHENTICATED;
	touch(s);
	return 0;
}

/* What can fail; afterwards msv_conn_free() cleans up. */
static int start(struct imap_session *s)
{
	int error = 0;

	if (s->config.account)
		error = msv_imap_log_in(s, s->config.account);
	if (!error && s->config.implicit_tls)
		error = msv_tls_accept(s->config.tls, &s->conn);
	return error;
}

int msv_imap_server_new(struct msv_env *env, const struct msv_imap_config *config,
    const struct msv_peer *peer, struct msv_conn **out)
{
	struct msv_imap_config c = { 0 };

	memcpy(&c, config, config->size < sizeof(c) ? config->size : sizeof(c));
	set_defaults(&c);
	if (!config_valid(&c))
		return MSV_ERR_INVAL;
	struct imap_session *s = msv_alloc(env, sizeof(*s));
	if (!s)
		return MSV_ERR_NOMEM;
	s->config = c;
	s->store = c.store;
	s->state = IMAP_NOT_AUTHENTICATED;
	msv_buf_init(&s->cmd.text, env);
	msv_buf_init(&s->cmd.reply, env);
	msv_arena_init(&s->cmd.arena, env);
	int error = msv_conn_init(&s->conn, env, &proto, peer);
	if (error) {
		msv_free(env, s);
		return error;
	}
	s->conn.out_window = c.output_window;
	msv_imap_reader_reset(s);
	s->keepalive_at = MSV_NEVER;
	s->logout_at = after(s, c.login_s);
	set_deadline(s);
	error = start(s);
	if (error) {
		msv_conn_free(&s->conn);
		return error;
	}
	*out = &s->conn;
	return 0;
}
