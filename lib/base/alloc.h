/* Memory from the env's allocator. */
#ifndef MSV_BASE_ALLOC_H
#define MSV_BASE_ALLOC_H

#include <mailserv/base.h>

/* n zeroed bytes, or NULL. */
void *msv_alloc(struct msv_env *env, size_t n);
/* Frees what msv_alloc() and the others here gave; NULL is fine. */
void msv_free(struct msv_env *env, void *p);
/* Overwrites n bytes in a way the compiler keeps, then frees: for secrets. */
void msv_free_secret(struct msv_env *env, void *p, size_t n);
/* Copies; NULL when there is no memory (msv_strdup(NULL) is NULL too). */
char *msv_strdup(struct msv_env *env, const char *s);
char *msv_strndup(struct msv_env *env, const char *s, size_t n);
void *msv_memdup(struct msv_env *env, const void *p, size_t n);
/* printf into new memory, or NULL. */
char *msv_asprintf(struct msv_env *env, const char *fmt, ...) MSV_PRINTF(2, 3);
/* Makes room for `need` elements of `elem` bytes in the array *array of *cap,
 * doubling (so that n appends cost O(n)); new elements are zeroed.  0 or
 * MSV_ERR_NOMEM, overflow included. */
int msv_grow(struct msv_env *env, void *array, size_t *cap, size_t need, size_t elem);

#endif
