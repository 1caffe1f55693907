/* The header fields a structure keeps: those of the envelope and of the
 * content. */
#ifndef MSV_MESSAGE_FIELDS_H
#define MSV_MESSAGE_FIELDS_H

#include "message/header.h"
#include "message/mime.h"

struct msv_fields {
	struct msv_part *part; /* whose header is read */
	size_t budget;         /* bytes that may still be kept */
	struct msv_buf value[MSV_FIELD_COUNT];
	bool present[MSV_FIELD_COUNT];
};

void msv_fields_init(struct msv_fields *f, struct msv_env *env, size_t budget);
void msv_fields_fini(struct msv_fields *f);
/* A msv_header_fn: user is a struct msv_fields. */
int msv_fields_take(void *user, const struct msv_header_field *field);
/* The part's header ended: its envelope gets what was kept.  0 or
 * MSV_ERR_NOMEM. */
int msv_fields_end(struct msv_fields *f);

#endif
