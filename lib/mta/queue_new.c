/* A message on its way in: copied, its body written, its rows inserted. */
#include <string.h>

#include "codec/casefold.h"
#include "codec/idna.h"
#include "mta/mta.h"
#include "mta/queue_inside.h"

#define ID_SIZE 64

/* -- Copying ---------------------------------------------------------------------------- */

/* All strings of a message, in one piece of memory: measured first, then copied. */
struct pack {
	char *out; /* NULL: measuring */
	size_t used;
	int error;
};

static const char *pack(struct pack *to, const char *text)
{
	size_t n = text ? strlen(text) + 1 : 1;
	char *copy = to->out ? to->out + to->used : NULL;

	if (n > QUEUE_TEXT_SIZE)
		to->error = MSV_ERR_LIMIT;
	else
		to->used += n;
	if (!copy)
		return NULL;
	return memcpy(copy, text ? text : "", n);
}

void msv_queue_domain(const char *address, char *out)
{
	const char *at = strrchr(address, '@');
	size_t n = 0;

	if (at && msv_domain_to_ascii(at + 1, out) == 0)
		return;
	for (at = at ? at + 1 : ""; at[n] && n < QUEUE_TEXT_SIZE - 1; n++)
		out[n] = msv_ascii_lower(at[n]);
	out[n] = '\0';
}

static void pack_recipient(struct pack *to, const struct queue_message *message,
    const struct queue_recipient *given, struct queue_new_recipient *out)
{
	char domain[QUEUE_TEXT_SIZE];
	bool has_sender = given->sender && strcmp(given->sender, message->from) != 0;

	msv_queue_domain(given->address ? given->address : "", domain);
	struct queue_new_recipient copy = { .given = *given };
	copy.given.address = pack(to, given->address);
	copy.given.destination = pack(to, given->destination);
	copy.given.sender = has_sender ? pack(to, given->sender) : NULL;
	copy.given.orcpt = pack(to, given->orcpt);
	copy.given.account = pack(to, given->account);
	copy.given.mailbox = pack(to, given->mailbox);
	copy.domain = pack(to, domain);
	if (to->out)
		*out = copy;
}

static void pack_message(struct pack *to, const struct queue_message *given, struct queue_new *new)
{
	struct queue_message copy = *given;

	copy.id = pack(to, given->id);
	copy.from = pack(to, given->from);
	copy.account = pack(to, given->account);
	copy.envid = pack(to, given->envid);
	copy.hold = pack(to, given->hold);
	copy.origin = pack(to, given->origin);
	for (size_t i = 0; !to->error && i < given->nrecipients; i++)
		pack_recipient(
		    to, given, &given->recipients[i], new->recipients ? &new->recipients[i] : NULL);
	if (to->out)
		new->given = copy;
}

static bool makes_sense(const struct queue_message *message)
{
	size_t n = message->id ? strlen(message->id) : 0;

	if (!n || n >= ID_SIZE || !message->from || !message->nrecipients)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = message->id[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
			return false;
	}
	for (size_t i = 0; i < message->nrecipients; i++) {
		if (message->recipients[i].kind >= MSV_QUEUE_KIND_COUNT)
			return false;
	}
	return true;
}

static int pin_destinations(struct queue_new *new)
{
	for (size_t i = 0; i < new->given.nrecipients; i++) {
		struct queue_new_recipient *recipient = &new->recipients[i];
		recipient->dest = msv_turns_pin(&new->queue->turns, recipient->given.destination);
		if (!recipient->dest)
			return MSV_ERR_NOMEM;
	}
	return 0;
}

static int copy_all(struct queue_new *new, const struct queue_message *message, bool copy_head)
{
	struct msv_env *env = new->queue->env;
	struct pack measure = { 0 }, copy = { 0 };

	pack_message(&measure, message, new);
	if (measure.error)
		return measure.error;
	new->recipients = msv_alloc(env, message->nrecipients * sizeof(*new->recipients));
	new->text = copy.out = msv_alloc(env, measure.used);
	if (!new->recipients || !new->text)
		return MSV_ERR_NOMEM;
	pack_message(&copy, message, new);
	if (copy_head && message->nhead) {
		new->given.head = new->copied_head = msv_memdup(env, message->head, message->nhead);
		if (!new->copied_head)
			return MSV_ERR_NOMEM;
	}
	return pin_destinations(new);
}

int msv_queue_new_init(struct msv_queue *queue, struct queue_new *new,
    const struct queue_message *message, bool copy_head)
{
	int error;

	*new = (struct queue_new){ .queue = queue };
	if (!makes_sense(message))
		return MSV_ERR_INVAL;
	if (message->nrecipients >= QUEUE_MAX_RECIPIENTS ||
	    queue->next_message >= QUEUE_MAX_MESSAGE)
		return MSV_ERR_LIMIT;
	error = copy_all(new, message, copy_head);
	if (error) {
		msv_queue_new_fini(new);
		return error;
	}
	if (!new->given.not_before)
		new->given.not_before = msv_env_realtime(queue->env);
	new->row = queue->next_message++;
	return 0;
}

void msv_queue_new_fini(struct queue_new *new)
{
	struct msv_env *env = new->queue->env;

	for (size_t i = 0; new->recipients &&i < new->given.nrecipients; i++)
		msv_turns_unpin(&new->queue->turns, new->recipients[i].dest);
	msv_free(env, new->recipients);
	msv_free(env, new->text);
	msv_free(env, new->copied_head);
	msv_free(env, new->room);
	*new = (struct queue_new){ .queue = new->queue };
}

/* -- The body ------------------------------------------------------------------------------ */

static void write_body(void *data)
{
	struct queue_new *new = data;
	const struct queue_message *given = &new->given;

	new->error = msv_queue_file_write(
	    &new->queue->desk.files, new->row, given->head, given->nhead, given->spool, new->room);
}

static void body_written(void *data)
{
	struct queue_new *new = data;
	struct msv_queue *queue = new->queue;

	msv_free(queue->env, new->room);
	new->room = NULL;
	new->written = new->error == 0;
	msv_queue_job_over(queue);
	new->done(new->user);
	msv_queue_rest(queue);
}

int msv_queue_new_write(struct queue_new *new, void (*done)(void *user), void *user)
{
	int error;

	new->done = done;
	new->user = user;
	if (new->given.spool &&new->given.spool->fd >= 0) {
		new->room = msv_env_realloc(new->queue->env, NULL, QUEUE_PIECE);
		if (!new->room)
			return MSV_ERR_NOMEM;
	}
	error = msv_queue_job(new->queue, write_body, body_written, new);
	if (error) {
		msv_free(new->queue->env, new->room);
		new->room = NULL;
	}
	return error;
}

/* -- The rows --------------------------------------------------------------------------------- */

static unsigned flags_of(const struct queue_message *message)
{
	return (message->body_8bit ? QUEUE_FLAG_8BIT : 0) |
	       (message->smtputf8 ? QUEUE_FLAG_SMTPUTF8 : 0) |
	       (message->requiretls ? QUEUE_FLAG_REQUIRETLS : 0) |
	       (message->is_signed ? QUEUE_FLAG_SIGNED : 0) |
	       (message->is_bounce ? QUEUE_FLAG_BOUNCE : 0);
}

static int insert_message(struct queue_desk *desk, const struct queue_new *new)
{
	const struct queue_message *given = &new->given;
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_ADD_MESSAGE);

	msv_queue_bind(statement, 1, new->row);
	msv_queue_bind_text(statement, 2, given->id);
	msv_queue_bind_text(statement, 3, given->from);
	msv_queue_bind_text(statement, 4, given->account);
	msv_queue_bind_text(statement, 5, given->envid);
	msv_queue_bind_text(statement, 6, given->origin);
	sqlite3_bind_int(statement, 7, given->ret);
	msv_queue_bind(statement, 8, flags_of(given));
	msv_queue_bind(statement, 9, given->arrived);
	msv_queue_bind(statement, 10, given->expires);
	msv_queue_bind(statement, 11, given->nhead + (given->spool ? given->spool->size : 0));
	msv_queue_bind_text(statement, 12, given->hold);
	return msv_queue_run(&desk->db, statement);
}

static int insert_recipient(struct queue_desk *desk, const struct queue_new *new, size_t i)
{
	const struct queue_recipient *given = &new->recipients[i].given;
	sqlite3_stmt *statement = msv_queue_sql(&desk->db, QUEUE_SQL_ADD_RECIPIENT);

	msv_queue_bind(statement, 1, QUEUE_FIRST_ROW(new->row) + i);
	msv_queue_bind(statement, 2, given->kind);
	msv_queue_bind_text(statement, 3, given->address);
	msv_queue_bind_text(statement, 4, new->recipients[i].domain);
	msv_queue_bind_text(statement, 5, given->destination);
	if (given->sender)
		msv_queue_bind_text(statement, 6, given->sender);
	msv_queue_bind_text(statement, 7, given->orcpt);
	msv_queue_bind_text(statement, 8, given->account);
	msv_queue_bind_text(statement, 9, given->mailbox);
	msv_queue_bind(statement, 10, given->notify);
	msv_queue_bind(statement, 11, new->given.not_before);
	return msv_queue_run(&desk->db, statement);
}

int msv_queue_new_insert(struct queue_desk *desk, struct queue_new *new)
{
	int error = insert_message(desk, new);

	for (size_t i = 0; !error && i < new->given.nrecipients; i++)
		error = insert_recipient(desk, new, i);
	if (!error)
		desk->dirs[msv_queue_file_dir(new->row)] = true;
	return error;
}

void msv_queue_new_in(struct queue_new *new)
{
	struct msv_queue *queue = new->queue;
	size_t n = new->given.nrecipients;

	queue->stats.messages++;
	queue->stats.recipients += n;
	queue->stats.added += n;
	for (size_t i = 0; i < n; i++)
		msv_turns_due(&queue->turns, new->recipients[i].dest, new->given.not_before);
}
