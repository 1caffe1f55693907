/* The Maildir store's functions behind the table of <mailserv/store.h>, each in
 * the file that is about it. */
#ifndef MSV_STORE_MAILDIR_STORE_H
#define MSV_STORE_MAILDIR_STORE_H

#include "store/maildir.h"

/* maildir_opening.c */
void msv_maildir_open(void *self, const struct msv_actor *actor, const char *mailbox, bool readonly,
    struct msv_open_op op);
void msv_maildir_status(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_status_op op);
void msv_maildir_close(void *self, struct msv_mailbox *mailbox);
const char *msv_maildir_keyword(void *self, struct msv_mailbox *mailbox, unsigned i);

/* maildir_changes.c */
void msv_maildir_changes(void *self, struct msv_mailbox *mailbox, uint64_t since,
    const struct msv_uidset *uids, unsigned fields, struct msv_changes_op op);

/* maildir_content.c */
void msv_maildir_msg_open(
    void *self, struct msv_mailbox *mailbox, uint32_t uid, struct msv_content_op op);
void msv_maildir_msg_read(
    void *self, struct msv_open_message *message, uint64_t offset, size_t n, struct msv_read_op op);
void msv_maildir_msg_close(void *self, struct msv_open_message *message);

/* maildir_flags.c */
void msv_maildir_flags(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const struct msv_flag_change *change, struct msv_flags_op op);

/* maildir_expunge.c */
void msv_maildir_expunge(
    void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids, struct msv_op *op);

/* maildir_copy.c */
void msv_maildir_copy(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op);
void msv_maildir_move(void *self, struct msv_mailbox *mailbox, const struct msv_uidset *uids,
    const char *dest, struct msv_copy_op op);

/* maildir_append.c */
void msv_maildir_append_begin(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_append_op op);
void msv_maildir_append_add(void *self, struct msv_append *append,
    const struct msv_append_message *message, struct msv_op *op);
void msv_maildir_append_write(
    void *self, struct msv_append *append, const void *p, size_t n, struct msv_op *op);
void msv_maildir_append_prepare(void *self, struct msv_append *append, struct msv_op *op);
void msv_maildir_append_commit(void *self, struct msv_append *append, struct msv_copy_op op);
void msv_maildir_append_abort(void *self, struct msv_append *append);

/* maildir_list.c */
void msv_maildir_list(void *self, const struct msv_actor *actor, struct msv_list_op op);

/* maildir_subscribe.c */
void msv_maildir_subscribe(void *self, const struct msv_actor *actor, const char *mailbox,
    bool subscribed, struct msv_op *op);

/* maildir_remove.c, maildir_rename.c */
void msv_maildir_create(void *self, const struct msv_actor *actor, const char *mailbox,
    uint32_t special_use, struct msv_op *op);
void msv_maildir_remove(
    void *self, const struct msv_actor *actor, const char *mailbox, struct msv_op *op);
void msv_maildir_rename(
    void *self, const struct msv_actor *actor, const char *from, const char *to, struct msv_op *op);

/* maildir_watch.c */
int msv_maildir_watch(void *self, const struct msv_actor *actor, struct msv_mailbox *mailbox,
    void (*look)(void *user, const char *mailbox), void *user, struct msv_store_watch **out);
void msv_maildir_unwatch(void *self, struct msv_store_watch *watch);

#endif
