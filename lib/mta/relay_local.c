/* Deliveries on this machine: one target after the other, each into a mailbox or to
 * a program. */
#include "mta/relay_local.h"

struct ways {
	void (*begin)(struct relay_local *l);
	void (*body)(struct relay_local *l);
	void (*drop)(struct relay_local *l);
};

static const struct ways *ways_of(const struct relay_local *l)
{
	static const struct ways mailbox = { msv_relay_mailbox_begin, msv_relay_mailbox_body,
		msv_relay_mailbox_drop };
	static const struct ways program = { msv_relay_program_begin, msv_relay_program_body,
		msv_relay_program_drop };
	return l->work && l->work->delivery->kind == MSV_QUEUE_PROGRAM ? &program : &mailbox;
}

/* What the target under way holds. */
static void drop_target(struct relay_local *l)
{
	if (l->op)
		msv_op_cancel(l->op);
	l->op = NULL;
	msv_relay_body_fini(&l->body);
	msv_relay_mailbox_drop(l);
	msv_relay_program_drop(l);
	l->offset = 0;
}

static void local_free(struct relay_local *l)
{
	struct msv_relay *relay = l->relay;
	drop_target(l);
	*l->link = l->next;
	if (l->next)
		l->next->link = l->link;
	msv_relay_place_free(relay, l->place);
	msv_free(relay->env, l);
}

void msv_relay_locals_free(struct msv_relay *relay)
{
	while (relay->locals)
		local_free(relay->locals);
}

static void on_finished(void *user)
{
	local_free(user);
}

static void on_piece(void *user)
{
	struct relay_local *l = user;
	ways_of(l)->body(l);
}

static void begin_target(struct relay_local *l)
{
	msv_relay_body_init(&l->body, l->relay->env, l->work->delivery, on_piece, l);
	ways_of(l)->begin(l);
}

void msv_relay_local_said(
    struct relay_local *l, enum relay_verdict verdict, const struct relay_reason *reason)
{
	drop_target(l);
	msv_relay_work_say(l->work, l->i, verdict, reason);
	if (++l->i < l->work->targets)
		begin_target(l);
	else
		msv_relay_work_finish(l->work, on_finished, l);
}

void msv_relay_local_failed(struct relay_local *l, int error)
{
	static const struct {
		int error;
		enum relay_verdict verdict;
		const char *enhanced, *text;
	} table[] = {
		{ MSV_ERR_QUOTA, RELAY_LATER, "4.2.2", "the mailbox is full" },
		{ MSV_ERR_NOSPACE, RELAY_LATER, "4.3.1", "out of disk space" },
		{ MSV_ERR_FORMAT, RELAY_NEVER, "5.6.0",
		    "the message holds bytes that cannot be kept" },
		{ 0, RELAY_LATER, "4.3.0", NULL },
	};
	size_t i = 0;
	while (table[i].error && table[i].error != error)
		i++;
	msv_relay_local_said(l, table[i].verdict,
	    &(struct relay_reason){ .enhanced = table[i].enhanced,
	        .text = table[i].text ? table[i].text : msv_strerror(error) });
}

int msv_relay_local_trace(const struct relay_local *l, const char *end, struct msv_buf *out)
{
	msv_buf_printf(out, "Return-Path: <%s>%s", l->work->delivery->from, end);
	msv_buf_printf(out, "Delivered-To: %s%s", relay_local_target(l)->address, end);
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

struct msv_op *msv_relay_local_ask(struct relay_local *l, msv_op_fn done)
{
	struct msv_op *op = msv_op_new(l->relay->env, done, l);
	l->op = op;
	if (!op)
		msv_relay_local_failed(l, MSV_ERR_NOMEM); /* may ask again */
	return op;
}

void msv_relay_local_start(
    struct msv_relay *relay, struct relay_peer *place, struct relay_work *work)
{
	struct relay_local *l = msv_alloc(relay->env, sizeof *l);
	if (!l) {
		msv_relay_work_put_back(work);
		return;
	}
	l->relay = relay;
	l->next = relay->locals;
	l->link = &relay->locals;
	if (l->next)
		l->next->link = &l->next;
	relay->locals = l;
	l->place = place;
	l->work = work;
	l->fd = -1;
	work->final = true;
	msv_relay_place_take(relay, place);
	begin_target(l);
}
