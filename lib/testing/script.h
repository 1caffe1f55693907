/* The lines of a dialogue's script. */
#ifndef MSV_TESTING_SCRIPT_H
#define MSV_TESTING_SCRIPT_H

#include "testing/testing.h"

enum msv_step_kind {
	MSV_STEP_SEND,   /* the client's bytes (here, and below, of a server's script) */
	MSV_STEP_LINE,   /* the server's next line is this */
	MSV_STEP_MATCH,  /* the server's next line matches this */
	MSV_STEP_BYTES,  /* the server's next bytes are these */
	MSV_STEP_SKIP,   /* lines up to the next step's */
	MSV_STEP_TIME,   /* milliseconds pass */
	MSV_STEP_EOF,    /* the client closes its side */
	MSV_STEP_CLOSED, /* the server has closed */
	MSV_STEP_END     /* of the script */
};

struct msv_step {
	enum msv_step_kind kind;
	unsigned line;          /* in the script, from 1 */
	struct msv_span source; /* the script's line without white space around it */
	struct msv_text text;   /* bytes: escapes resolved, the client's CRLF added */
	uint64_t ms;
};

struct msv_script {
	const char *p; /* what is left */
	unsigned line;
	bool client; /* the connection is the client: C: and S: change places */
};

/* Reads the next step, over comments and empty lines, into *step (zeroed, or
 * read into before).  0 or MSV_ERR_FORMAT: step->line is none of a script. */
int msv_script_next(struct msv_script *script, struct msv_step *step);

/* True when the text matches; ? is any byte, * any number of them. */
bool msv_script_match(struct msv_span pattern, struct msv_span text);

#endif
