/* The bodies of queued messages: one file each, bodies/xx/NUMBER, where NUMBER is
 * the message's row and xx comes of it.  For jobs: touches no env. */
#ifndef MSV_MTA_QUEUE_FILES_H
#define MSV_MTA_QUEUE_FILES_H

#include <mailserv/base.h>

#define QUEUE_BODY_DIRS 256
#define QUEUE_NAME_SIZE 32
#define QUEUE_PIECE     ((size_t)65536) /* of a body, read or copied at once */

struct mta_spool;

struct queue_files {
	int dir;    /* the queue's directory */
	int bodies; /* its directory bodies/ */
	int lock;   /* the file that says the queue is open */
};

/* Opens the directory, made when missing, and takes its lock.  MSV_ERR_BUSY. */
int msv_queue_files_open(struct queue_files *files, const char *directory);
/* Opens bodies/ with all its directories, made when missing. */
int msv_queue_files_bodies(struct queue_files *files);
void msv_queue_files_close(struct queue_files *files);

/* Writes and syncs a new body.  Its directory is yet to be synced.  On an error no
 * file is left.  `room` is QUEUE_PIECE bytes for a spool in a file. */
int msv_queue_file_write(const struct queue_files *files, uint64_t message, const void *head,
    size_t nhead, struct mta_spool *spool, void *room);
void msv_queue_file_remove(const struct queue_files *files, uint64_t message);
/* Reads up to n bytes from offset, fewer only at the end.  MSV_ERR_NOTFOUND. */
int msv_queue_file_read(const struct queue_files *files, uint64_t message, uint64_t offset, void *p,
    size_t n, size_t *got);

/* Takes over a body from another bodies/.  It is there, or an error. */
int msv_queue_file_link(const struct queue_files *files, int other, uint64_t message);

/* Which of the 256 directories a body is in. */
unsigned msv_queue_file_dir(uint64_t message);
int msv_queue_dir_sync(const struct queue_files *files, unsigned dir);
int msv_queue_files_sync(const struct queue_files *files); /* all of them */

/* Calls found(user, message) for each body in no order; stops when that is not 0
 * and returns it. */
int msv_queue_files_scan(
    const struct queue_files *files, int (*found)(void *user, uint64_t message), void *user);

#endif
