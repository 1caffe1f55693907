/* Programs that aliases name: the answer of who runs them. */
#include "base/op.h"
#include "mta/mta.h"

void msv_program_answer(struct msv_program_op op, const struct msv_program_result *result)
{
	struct msv_program_result *copy = msv_op_alloc(op.op, sizeof *copy);
	char *text = copy ? msv_op_strdup(op.op, result->text ? result->text : "") : NULL;
	if (!text) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	*copy = (struct msv_program_result){
		.size = sizeof *copy, .status = result->status, .text = text
	};
	msv_op_complete(op.op, 0, copy);
}
