/* The message in the hand. */
#include <stdlib.h>
#include <string.h>

#include "sendmail.h"

int submission_add(struct submission *s, const char *address)
{
	char **grown = realloc(s->recipients, (s->nrecipients + 1) * sizeof *grown);
	if (!grown)
		return -1;
	s->recipients = grown;
	s->recipients[s->nrecipients] = strdup(address);
	return s->recipients[s->nrecipients] ? (s->nrecipients++, 0) : -1;
}

void submission_fini(struct submission *s)
{
	for (size_t i = 0; i < s->nrecipients; i++)
		free(s->recipients[i]);
	free(s->recipients);
	free(s->from);
	free(s->body);
	free(s->envid);
	*s = (struct submission){ 0 };
}
