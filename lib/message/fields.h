/* The header fields a structure keeps: those of the envelope and of the
 * content. */
#ifndef MSV_MESSAGE_FIELDS_H
#define MSV_MESSAGE_FIELDS_H

#include "message/header.h"
#include "message/mime.h"

struct msv_fields {
	struct msv_part *part; /* whose header is read */
	size_t budget;         /* bytes that may still be kept */
};

/* A msv_header_fn: user is a struct msv_fields. */
int msv_fields_take(void *user, const struct msv_header_field *field);

#endif
