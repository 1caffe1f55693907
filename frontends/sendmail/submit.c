/* One message to mailservd, by SMTP over its unix socket. */
#include <mailserv/uv.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sendmail.h"

/* One message under way. */
struct sending {
	struct submission *s;
	struct msv_uv *uv;
	struct msv_conn *conn;
	FILE *errors;
	int status;
	bool listened;
};

static int read_body(void *user, struct msv_conn *conn, uint64_t offset, const void **p, size_t *n)
{
	const struct sending *sending = user;
	size_t left = sending->s->octets - (size_t)offset;
	(void)conn;
	*p = sending->s->body + offset;
	if (*n > left)
		*n = left;
	return 0;
}

/* The exit status that says most: for good before for now. */
static int worse(int a, int b)
{
	static const int order[] = { EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE, EX_NOUSER };
	size_t ia = 0, ib = 0;
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		ia = order[i] == a ? i : ia;
		ib = order[i] == b ? i : ib;
	}
	return ia > ib ? a : b;
}

/* What became of a recipient. */
static int tell_verdict(
    struct sending *sending, const char *recipient, const struct msv_smtp_verdict *v)
{
	if (v->code >= 200 && v->code < 300)
		return EX_OK;
	fprintf(
	    sending->errors, "sendmail: %s: %d %s %s\n", recipient, v->code, v->enhanced, v->text);
	return !v->permanent                  ? EX_TEMPFAIL
	       : v->stage == MSV_SMTP_AT_RCPT ? EX_NOUSER
	                                      : EX_UNAVAILABLE;
}

static void on_sent(void *user, int error, const void *result)
{
	struct sending *sending = user;
	struct submission *s = sending->s;
	const struct msv_smtp_outcome *outcome = result;
	size_t left = 0;
	for (size_t i = 0; !error && i < outcome->nrecipients; i++) {
		int status = tell_verdict(sending, s->recipients[i], &outcome->recipients[i]);
		sending->status = worse(sending->status, status);
		if (status == EX_TEMPFAIL)
			s->recipients[left++] = s->recipients[i];
		else
			free(s->recipients[i]);
	}
	if (!error)
		s->nrecipients = left;
	if (error) {
		fprintf(sending->errors, "sendmail: %s\n", msv_strerror(error));
		sending->status = EX_TEMPFAIL;
	}
	if (sending->conn)
		msv_smtp_client_quit(sending->conn);
}

static int send_message(struct sending *sending)
{
	const struct submission *s = sending->s;
	struct msv_smtp_recipient *recipients = calloc(s->nrecipients, sizeof *recipients);
	struct msv_smtp_message message = { .size = sizeof message,
		.from = s->from,
		.recipients = recipients,
		.nrecipients = s->nrecipients,
		.octets = s->octets,
		.body_8bit = s->body_8bit,
		.smtputf8 = s->smtputf8,
		.ret = s->ret,
		.envid = s->envid,
		.read = read_body,
		.user = sending };
	struct msv_smtp_send_op op = { msv_op_new(msv_uv_env(sending->uv), on_sent, sending) };
	if (!recipients || !op.op) {
		free(recipients);
		return -1;
	}
	for (size_t i = 0; i < s->nrecipients; i++)
		recipients[i] = (struct msv_smtp_recipient){
			.size = sizeof *recipients, .address = s->recipients[i], .notify = s->notify
		};
	msv_smtp_client_send(sending->conn, &message, op);
	free(recipients);
	return 0;
}

static struct msv_conn *make(void *user, const struct msv_peer *peer)
{
	struct sending *sending = user;
	char hostname[256] = "localhost";
	struct msv_smtp_client_config config = {
		.size = sizeof config, .hostname = hostname, .tls_mode = MSV_SMTP_TLS_OFF
	};
	gethostname(hostname, sizeof hostname - 1);
	if (msv_smtp_client_new(msv_uv_env(sending->uv), &config, peer, &sending->conn) != 0)
		return NULL;
	return sending->conn;
}

static void on_closed(void *user)
{
	struct sending *sending = user;
	sending->conn = NULL;
	msv_uv_free(sending->uv);
}

static void on_connected(void *user, int error, const void *data)
{
	struct sending *sending = user;
	const struct msv_connect_result *result = data;
	if (!error && result->error == 0 && sending->conn) {
		sending->listened = true;
		if (send_message(sending) == 0)
			return;
		sending->status = EX_TEMPFAIL;
		msv_smtp_client_quit(sending->conn);
		return;
	}
	sending->status = -1;
	msv_uv_free(sending->uv);
}

int submit(const char *socket, struct submission *s, FILE *errors)
{
	uv_loop_t loop;
	struct sending sending = { .s = s, .errors = errors, .status = EX_OK };
	signal(SIGPIPE, SIG_IGN);
	if (uv_loop_init(&loop) != 0 || msv_uv_new(&loop, NULL, &sending.uv) != 0)
		return EX_TEMPFAIL;
	const struct msv_transport *transport = msv_uv_transport(sending.uv);
	struct msv_transport_target target = { .size = sizeof target,
		.path = socket,
		.timeout_ms = 30000,
		.make = make,
		.closed = on_closed,
		.user = &sending };
	struct msv_connect_op op = { msv_op_new(msv_uv_env(sending.uv), on_connected, &sending) };
	if (!op.op || !transport) {
		msv_uv_free(sending.uv);
		sending.status = EX_TEMPFAIL;
	} else {
		transport->connect(transport->self, &target, op);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return sending.status;
}
