/* The file dovecot-keywords: lines `<index> <keyword>`; index 0..25 is the
 * letter a..z in the names of files. */
#ifndef MSV_STORE_KEYWORDS_H
#define MSV_STORE_KEYWORDS_H

#include "store/filename.h"

#define MSV_KEYWORDS      "dovecot-keywords"
/* The longest keyword that is kept, with its NUL. */
#define MSV_KEYWORD_SIZE  128
/* Room for the longest file. */
#define MSV_KEYWORDS_SIZE (MSV_MAX_LETTERS * (MSV_KEYWORD_SIZE + 4))

/* MSV_FLAG_PASSED as Dovecot keeps it: it knows no letter P. */
#define MSV_KEYWORD_PASSED "$Forwarded"

/* Owns no memory, so that jobs can fill one. */
struct msv_keywords {
	char name[MSV_MAX_LETTERS][MSV_KEYWORD_SIZE]; /* "": the letter is free */
};

/* Reads a whole file; lines that are none are skipped.  Keywords are compared
 * without case (RFC 3501 2.3.2); of two of one name the first counts. */
void msv_keywords_parse(const char *p, size_t n, struct msv_keywords *out);
/* Writes the whole file; the length. */
size_t msv_keywords_format(const struct msv_keywords *keywords, char out[MSV_KEYWORDS_SIZE]);

/* True when a keyword can be kept: an atom, not too long. */
bool msv_keyword_valid(const char *name);
/* The letter (0..25) of a keyword, or MSV_ERR_NOTFOUND. */
int msv_keywords_find(const struct msv_keywords *keywords, const char *name);
/* The same, giving it a free letter.  MSV_ERR_LIMIT: none is free;
 * MSV_ERR_FORMAT: it cannot be kept. */
int msv_keywords_add(struct msv_keywords *keywords, const char *name);

#endif
