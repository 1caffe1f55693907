#include <mailserv/base.h>

bool msv_uidset_has(const struct msv_uidset *set, uint32_t uid)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (uid < set->r[middle].first)
			high = middle;
		else if (uid > set->r[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

uint64_t msv_uidset_count(const struct msv_uidset *set)
{
	uint64_t count = 0;

	for (size_t i = 0; i < set->n; i++)
		count += (uint64_t)set->r[i].last - set->r[i].first + 1;
	return count;
}
