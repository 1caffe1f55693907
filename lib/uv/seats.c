#include <string.h>

#include "loop.h"

enum { BUCKETS = 256 };

/* An address that has somebody connected. */
struct msv_uv_seat {
	struct msv_uv_seat *next;
	unsigned char key[17]; /* how many bytes of an address, and these */
	unsigned count;
};

struct msv_uv_seats {
	struct msv_uv *uv;
	uint64_t seed; /* so that nobody can choose a bucket */
	struct msv_uv_seat *buckets[BUCKETS];
};

struct msv_uv_seats *msv_uv_seats_new(struct msv_uv *uv)
{
	struct msv_uv_seats *seats = msv_uv_alloc(uv, sizeof(*seats));

	if (!seats)
		return NULL;
	seats->uv = uv;
	msv_env_random(uv->env, &seats->seed, sizeof(seats->seed));
	return seats;
}

void msv_uv_seats_free(struct msv_uv_seats *seats)
{
	if (!seats)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (seats->buckets[i]) {
			struct msv_uv_seat *seat = seats->buckets[i];

			seats->buckets[i] = seat->next;
			msv_uv_release(seats->uv, seat);
		}
	}
	msv_uv_release(seats->uv, seats);
}

/* A host has a whole /64 of IPv6: these 8 bytes count. */
static void make_key(const char *address, unsigned char key[17])
{
	unsigned char bytes[16] = { 0 };
	size_t n = msv_uv_address_bytes(address, bytes);

	memset(key, 0, 17);
	key[0] = (unsigned char)n;
	memcpy(key + 1, bytes, n == 16 ? 8 : n);
}

static struct msv_uv_seat **bucket_of(struct msv_uv_seats *seats, const unsigned char key[17])
{
	uint64_t h = seats->seed;

	for (size_t i = 0; i < 17; i++)
		h = (h ^ key[i]) * UINT64_C(0x9e3779b97f4a7c15) >> 3 ^ h << 29;
	return &seats->buckets[(h ^ h >> 32) % BUCKETS];
}

struct msv_uv_seat *msv_uv_seat_take(
    struct msv_uv_seats *seats, const char *address, unsigned *count)
{
	unsigned char key[17];
	struct msv_uv_seat **bucket, *seat;

	make_key(address, key);
	bucket = bucket_of(seats, key);
	for (seat = *bucket; seat && memcmp(seat->key, key, sizeof(key)) != 0; seat = seat->next)
		;
	if (!seat) {
		seat = msv_uv_alloc(seats->uv, sizeof(*seat));
		if (!seat)
			return NULL;
		memcpy(seat->key, key, sizeof(key));
		seat->next = *bucket;
		*bucket = seat;
	}
	*count = ++seat->count;
	return seat;
}

void msv_uv_seat_leave(struct msv_uv_seats *seats, struct msv_uv_seat *seat)
{
	struct msv_uv_seat **at;

	if (!seat || --seat->count)
		return;
	for (at = bucket_of(seats, seat->key); *at != seat; at = &(*at)->next)
		;
	*at = seat->next;
	msv_uv_release(seats->uv, seat);
}
