/* How a connection attempt is answered. */
#include <mailserv/transport.h>

#include "base/op.h"

void msv_connect_answer(struct msv_connect_op op, int error, const char *text)
{
	struct msv_connect_result *result = msv_op_alloc(op.op, sizeof(*result));

	if (result) {
		result->size = sizeof(*result);
		result->error = error;
		result->text = error ? msv_op_strdup(op.op, text ? text : msv_strerror(error)) : "";
	}
	if (result && result->text)
		msv_op_complete(op.op, 0, result);
	else
		msv_op_answer(op.op, MSV_ERR_NOMEM);
}
