/* Reading messages.  What is open holds the content, not the mailbox. */
#include "store/memory.h"

struct msv_open_message {
	struct memory_content *content;
};

static void memory_msg_open(
    void *self, struct msv_mailbox *mailbox, uint32_t uid, struct msv_content_op op)
{
	struct msv_memory_store *store = self;
	const struct memory_message *message = msv_memory_message(mailbox->box, uid);
	struct msv_open_message *open = NULL;

	if (message)
		open = msv_alloc(store->env, sizeof(*open));
	if (!open) {
		msv_op_answer(op.op, message ? MSV_ERR_NOMEM : MSV_ERR_NOTFOUND);
		return;
	}
	open->content = message->content;
	msv_memory_content_ref(open->content);
	msv_content_answer(op, msv_memory_store(store),
	    &(struct msv_message_content){
	        .size = sizeof(struct msv_message_content),
	        .message = open,
	        .octets = msv_buf_len(&open->content->bytes),
	    });
}

static void memory_msg_read(
    void *self, struct msv_open_message *message, uint64_t offset, size_t n, struct msv_read_op op)
{
	const struct msv_buf *bytes = &message->content->bytes;
	size_t left = offset < msv_buf_len(bytes) ? msv_buf_len(bytes) - (size_t)offset : 0;

	(void)self;
	msv_read_answer(op, left ? msv_buf_data(bytes) + offset : NULL, n < left ? n : left);
}

static void memory_msg_close(void *self, struct msv_open_message *message)
{
	struct msv_memory_store *store = self;

	msv_memory_content_unref(message->content);
	msv_free(store->env, message);
}

void msv_memory_fill_content(struct msv_store *table)
{
	table->msg_open = memory_msg_open;
	table->msg_read = memory_msg_read;
	table->msg_close = memory_msg_close;
}
