/* The inside of the test env. */
#ifndef MSV_TESTING_TESTING_H
#define MSV_TESTING_TESTING_H

#include <mailserv/testing.h>

/* Text that grows.  Its memory is libc's: what a test collects must neither be
 * counted with the env's allocations nor fail with them. */
struct msv_text {
	char *p; /* ended by NUL once something was put */
	size_t n, cap;
};

void msv_text_fini(struct msv_text *text);
/* No memory: what does not fit is left out. */
void msv_text_put(struct msv_text *text, const void *p, size_t n);
void msv_text_printf(struct msv_text *text, const char *fmt, ...) MSV_PRINTF(2, 3);
/* As put, every byte that is not printable ASCII as \r, \n, \t or \xNN. */
void msv_text_escape(struct msv_text *text, const void *p, size_t n);
void msv_text_clear(struct msv_text *text);
const char *msv_text_cstr(const struct msv_text *text);

/* Memory that goes away with the env. */
struct msv_test_kept {
	struct msv_test_kept *next;
	max_align_t data[];
};

struct msv_test_env {
	struct msv_env *env;
	uint64_t now;    /* monotonic milliseconds */
	uint64_t random; /* the generator's state */

	uint64_t allocs;  /* asked for so far */
	uint64_t fail_at; /* fails when `allocs` is this; MSV_NEVER: none */
	bool fail_forever;
	size_t blocks, bytes, peak; /* held now; most bytes ever */

	struct msv_job **jobs; /* offloaded, in order of arrival */
	size_t njobs, jobs_cap;

	struct msv_text log, log_shown;
	struct msv_text asked, asked_shown; /* of the DNS */
	struct msv_text output;             /* of msv_test_take_output() */
	struct msv_text difference;         /* of the last dialogue */
	struct msv_test_kept *kept;
	struct msv_test_pipe *pipes; /* of all transports */
};

/* transport.c: moves what the ends of connections have for each other.  Returns
 * when it wants to be called again. */
uint64_t msv_test_pump(struct msv_test_env *test);
/* Frees what is left of connections. */
void msv_test_pipes_free(struct msv_test_env *test);

/* Runs tasks, jobs and what the conn (may be NULL) has due until nothing is
 * left to do now.  Returns the next deadline. */
uint64_t msv_test_settle(struct msv_test_env *test, struct msv_conn *conn);

/* Zeroed memory of libc that lives as long as the env, or NULL. */
void *msv_test_keep(struct msv_test_env *test, size_t n);

#endif
