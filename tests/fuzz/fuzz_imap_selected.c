/* Fuzzes an IMAP session that is logged in, with a mailbox selected and a few more
 * to play with.  The first byte says what server it is, the second how the pieces
 * fall; the rest is what the client sends. */
#include "imap_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	play_both(data, size, true);
	return 0;
}
