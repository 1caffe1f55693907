/* Opening what is beneath a directory, never outside and never by a symbolic
 * link.  For jobs: touches no env. */
#ifndef MSV_STORE_BENEATH_H
#define MSV_STORE_BENEATH_H

#include <sys/types.h>

/* As openat() for a relative path ("" is the directory itself) whose every
 * component is beneath dir.  Close-on-exec is added.  A descriptor, or -1 with
 * errno: EXDEV or ELOOP for a path that would lead elsewhere. */
int msv_beneath_open(int dir, const char *path, int flags, mode_t mode);

/* Makes the directories of a path beneath dir that are missing, readable by
 * their owner alone.  0, or -1 with errno. */
int msv_beneath_mkdirs(int dir, const char *path);

#endif
