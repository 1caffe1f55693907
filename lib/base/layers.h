/* The filter stack of a connection: for base/conn.c. */
#ifndef MSV_BASE_LAYERS_H
#define MSV_BASE_LAYERS_H

#include "base/conn.h"

struct msv_conn_layer {
	struct msv_filter *filter;
	struct msv_buf held; /* bytes for the peer that wait until it is ready */
	bool ended;          /* its stream from the peer ended in order */
};

/* Wire bytes through all filters into conn->in. */
void msv_layers_receive(struct msv_conn *conn, const void *p, size_t n);
/* conn->out through all filters into conn->wire, once they are ready. */
void msv_layers_send(struct msv_conn *conn);
/* False while a filter has its handshake to do. */
bool msv_layers_ready(const struct msv_conn *conn);
/* The wire gives no more: tells the filters and logs what they object. */
void msv_layers_eof(struct msv_conn *conn, int error);
/* The conversation is over: farewells, from the top. */
void msv_layers_finish(struct msv_conn *conn);
/* Bytes of output anywhere between session and socket. */
size_t msv_layers_queued(const struct msv_conn *conn);
/* Memory of the stack. */
size_t msv_layers_memory(const struct msv_conn *conn);
void msv_layers_free(struct msv_conn *conn);

#endif
