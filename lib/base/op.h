/* The op's inside, for the typed answer functions. */
#ifndef MSV_BASE_OP_H
#define MSV_BASE_OP_H

#include <mailserv/base.h>

/* Zeroed memory that lives as long as the op: for results.  NULL: no memory. */
void *msv_op_alloc(struct msv_op *op, size_t n);
char *msv_op_strdup(struct msv_op *op, const char *s);
/* Answers with a result kept in msv_op_alloc() memory (or static). */
void msv_op_complete(struct msv_op *op, int error, const void *result);
/* As msv_op_complete() without an error, for a result that owns something:
 * drop(result) is called once if the asker's completion is never called - at
 * once when the op was canceled already, else from msv_op_cancel(). */
void msv_op_complete_owned(struct msv_op *op, const void *result, void (*drop)(const void *result));
/* Gives one row, synchronously.  0: more, MSV_PAUSE: wait for on_resume
 * before the next, MSV_ERR_CANCELED: answer now, nobody listens. */
int msv_op_row(struct msv_op *op, const void *row);

#endif
