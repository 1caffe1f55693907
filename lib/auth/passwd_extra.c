/* The eighth field of a passwd line: `key=value` words, a bare key means yes. */
#include "auth/auth.h"

#include <string.h>

#include "codec/casefold.h"

/* -- Sizes ------------------------------------------------------------------------- */

/* How many bits a unit shifts: "", "b" 0, "k" 10, "m" 20 ...; -1 none. */
static int unit_shift(const char *unit, int standard)
{
	static const struct {
		char letter;
		int shift;
	} units[] = { { 'b', 0 }, { 'k', 10 }, { 'm', 20 }, { 'g', 30 }, { 't', 40 } };
	char c = msv_ascii_lower(unit[0]);

	if (!c)
		return standard;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (c != units[i].letter)
			continue;
		/* "M", "MB" and "MiB" are the same. */
		const char *rest = unit + 1;
		if (*rest == 'i')
			rest++;
		return *rest == '\0' || (msv_ascii_lower(*rest) == 'b' && !rest[1] && c != 'b')
		           ? units[i].shift
		           : -1;
	}
	return -1;
}

/* A number with a unit; without one it counts 1 << standard bytes. */
static bool parse_size(const char *text, int standard, uint64_t *out)
{
	uint64_t n = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 18)
		return false;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	int shift = unit_shift(text + digits, standard);
	if (shift < 0 || n > UINT64_MAX >> shift)
		return false;
	*out = n << shift;
	return true;
}

/* -- The known keys ------------------------------------------------------------------- */

static bool is_no(const char *value)
{
	return strcmp(value, "no") == 0 || strcmp(value, "n") == 0 || strcmp(value, "0") == 0 ||
	       strcmp(value, "false") == 0;
}

static const char *take_nets(struct msv_passwd_entry *e, const char *value)
{
	/* A list that is wrong in part still shuts out the rest of the world. */
	e->nets = value;
	return msv_nets_valid(value) ? NULL
	                             : "allow_nets wants addresses and networks like 192.0.2.0/24, "
	                               "separated by commas";
}

static const char *take_nologin(struct msv_passwd_entry *e, const char *value)
{
	e->nologin = !is_no(value);
	return NULL;
}

static const char *take_nopassword(struct msv_passwd_entry *e, const char *value)
{
	e->any_password = !is_no(value);
	return NULL;
}

static const char *take_scram(struct msv_passwd_entry *e, const char *value)
{
	struct msv_scram_value keys;
	int error = msv_scram_parse(MSV_SHA256, value, &keys);

	explicit_bzero(&keys, sizeof(keys));
	if (error)
		return "scram-sha-256 wants iterations,salt,stored-key,server-key as "
		       "`mailservctl encrypt --scram` prints them";
	e->scram = value;
	return NULL;
}

static const char quota_wants[] = "a quota is written *:storage=1G or *:messages=1000";

/* "*:storage=1G:messages=1000" (Dovecot 2.3; without a unit kilobytes); rules of
 * single mailboxes are not ours. */
static const char *take_quota_rule(struct msv_passwd_entry *e, const char *value)
{
	struct msv_account *a = &e->account;
	char copy[128], *save = NULL, *word;
	bool ok = true;

	if (strlen(value) >= sizeof(copy))
		return quota_wants;
	memcpy(copy, value, strlen(value) + 1);
	word = strtok_r(copy, ":", &save);
	if (!word)
		return quota_wants;
	if (strcmp(word, "*") != 0)
		return NULL;
	while ((word = strtok_r(NULL, ":", &save))) {
		if (strncmp(word, "storage=", 8) == 0)
			ok = ok && parse_size(word + 8, 10, &a->quota_storage);
		else if (strncmp(word, "bytes=", 6) == 0)
			ok = ok && parse_size(word + 6, 0, &a->quota_storage);
		else if (strncmp(word, "messages=", 9) == 0)
			ok = ok && parse_size(word + 9, 0, &a->quota_messages);
		else if (strcmp(word, "ignore") == 0)
			a->quota_storage = a->quota_messages = 0;
		else
			ok = false;
	}
	return ok ? NULL : quota_wants;
}

/* Dovecot 2.4 */
static const char *take_quota_storage(struct msv_passwd_entry *e, const char *value)
{
	if (strcmp(value, "unlimited") == 0)
		return NULL;
	return parse_size(value, 0, &e->account.quota_storage) ? NULL : "a size is written like 1G";
}

static const char *take_quota_messages(struct msv_passwd_entry *e, const char *value)
{
	if (strcmp(value, "unlimited") == 0)
		return NULL;
	return parse_size(value, 0, &e->account.quota_messages) ? NULL : "a number is wanted";
}

/* Keys of others that mean nothing here but are kept for the embedder: `proxy`
 * and its kin send a login to another server, `nodelay` asks for no delay
 * after a failure, which the throttle alone decides. */
static const struct {
	const char *key;
	const char *(*take)(struct msv_passwd_entry *entry, const char *value);
} known[] = {
	{ "allow_nets", take_nets },
	{ "nologin", take_nologin },
	{ "nopassword", take_nopassword },
	{ MSV_PASSWD_SCRAM_KEY, take_scram },
	{ "userdb_quota_rule", take_quota_rule },
	{ "userdb_quota_storage_size", take_quota_storage },
	{ "userdb_quota_message_count", take_quota_messages },
};

/* Hands the value to whoever knows the key; reports what is wrong. */
static void interpret(struct msv_passwd_table *table, struct msv_passwd_entry *entry,
    const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(key, known[i].key) != 0)
			continue;
		const char *wrong = known[i].take(entry, value);
		if (wrong)
			msv_passwd_report(table, MSV_LOG_WARN, entry->line,
			    "%s is not understood: %s", key, wrong);
	}
}

int msv_passwd_take_extra(
    struct msv_passwd_table *table, struct msv_passwd_entry *entry, char *word)
{
	char *equals = strchr(word, '=');
	const char *value = equals ? equals + 1 : "yes";
	struct msv_auth_extra *kept;

	if (equals)
		*equals = '\0';
	if (!*word) {
		msv_passwd_report(table, MSV_LOG_WARN, entry->line, "an extra word has no key");
		return 0;
	}
	if (msv_grow(table->env, &table->extra, &table->extra_cap, table->nextra + 1,
	        sizeof(*table->extra)) != 0)
		return MSV_ERR_NOMEM;
	kept = &table->extra[table->nextra++];
	*kept = (struct msv_auth_extra){ word, value };
	entry->account.nextra++;
	if (strcmp(word, MSV_PASSWD_SCRAM_KEY) == 0)
		kept->value = "yes"; /* keys are secret */
	interpret(table, entry, word, value);
	return 0;
}
