/* Account names, and copies of accounts and questions. */
#include "auth/auth.h"

#include <string.h>

#include "codec/casefold.h"
#include "codec/utf8.h"

/* -- Names --------------------------------------------------------------------- */

/* No C0 or C1 control character, no DEL, no '/'. */
static bool chars_valid(const char *name, size_t n)
{
	while (n) {
		uint32_t c;
		int used = msv_utf8_get(name, n, &c);
		if (used <= 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '/')
			return false;
		name += used;
		n -= (size_t)used;
	}
	return true;
}

bool msv_account_name_valid(const char *name)
{
	size_t n = name ? strnlen(name, MSV_ACCOUNT_NAME_MAX + 1) : 0;

	if (n == 0 || n > MSV_ACCOUNT_NAME_MAX || name[0] == '.' || name[0] == '@' ||
	    !chars_valid(name, n))
		return false;
	const char *at = strchr(name, '@');
	return !at || (at[1] && at[1] != '.' && !strchr(at + 1, '@'));
}

bool msv_account_name_same(const char *a, const char *b)
{
	return msv_ascii_equal(a, strlen(a), b, strlen(b));
}

bool msv_account_name_fold(const char *name, char *out, size_t n)
{
	size_t i;

	for (i = 0; name[i] && i + 1 < n; i++)
		out[i] = msv_ascii_lower(name[i]);
	out[i] = '\0';
	return name[i] == '\0';
}

/* -- Copies in one piece --------------------------------------------------------- */

/* Reads the n bytes of a public struct from a program that may have been built
 * when it was shorter: what it lacks is 0. */
static void take(void *out, size_t n, const void *in)
{
	size_t given;

	memcpy(&given, in, sizeof(given));
	memset(out, 0, n);
	memcpy(out, in, given && given < n ? given : n);
	memcpy(out, &n, sizeof(n));
}

/* Appends s at *p and moves *p behind its NUL; NULL stays NULL. */
static const char *pack(char **p, const char *s)
{
	if (!s)
		return NULL;
	size_t n = strlen(s) + 1;
	char *copy = memcpy(*p, s, n);
	*p += n;
	return copy;
}

static size_t packed(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

/* Strings of an account are never NULL in a copy. */
static const char *text(const char *s)
{
	return s ? s : "";
}

static size_t account_size(const struct msv_account *a)
{
	size_t n = sizeof(*a) + a->nextra * sizeof(*a->extra) + packed(text(a->name)) +
	           packed(text(a->home)) + packed(text(a->uid)) + packed(text(a->gid));

	for (size_t i = 0; i < a->nextra; i++)
		n += packed(text(a->extra[i].key)) + packed(text(a->extra[i].value));
	return n;
}

/* Writes the copy into account_size() bytes at mem. */
static struct msv_account *account_pack(const struct msv_account *a, void *mem)
{
	struct msv_account *copy = mem;
	struct msv_auth_extra *extra = (struct msv_auth_extra *)(copy + 1);
	char *p = (char *)(extra + a->nextra);

	*copy = *a;
	copy->name = pack(&p, text(a->name));
	copy->home = pack(&p, text(a->home));
	copy->uid = pack(&p, text(a->uid));
	copy->gid = pack(&p, text(a->gid));
	copy->extra = extra;
	for (size_t i = 0; i < a->nextra; i++) {
		extra[i].key = pack(&p, text(a->extra[i].key));
		extra[i].value = pack(&p, text(a->extra[i].value));
	}
	return copy;
}

struct msv_account *msv_account_copy(struct msv_env *env, const struct msv_account *account)
{
	struct msv_account a;

	take(&a, sizeof(a), account);
	void *mem = msv_alloc(env, account_size(&a));
	return mem ? account_pack(&a, mem) : NULL;
}

struct msv_account *msv_account_copy_op(struct msv_op *op, const struct msv_account *account)
{
	struct msv_account a;

	take(&a, sizeof(a), account);
	void *mem = msv_op_alloc(op, account_size(&a));
	return mem ? account_pack(&a, mem) : NULL;
}

static size_t question_size(const struct msv_auth_question *q)
{
	return sizeof(*q) + packed(q->user) + packed(q->authzid) + packed(q->password) +
	       packed(q->mechanism) + packed(q->service) + packed(q->peer_address) +
	       packed(q->session_id);
}

struct msv_auth_question *msv_question_copy(
    struct msv_env *env, const struct msv_auth_question *question)
{
	struct msv_auth_question q, *copy;

	take(&q, sizeof(q), question);
	copy = msv_alloc(env, question_size(&q));
	if (!copy)
		return NULL;
	char *p = (char *)(copy + 1);
	*copy = q;
	copy->user = pack(&p, q.user);
	copy->authzid = pack(&p, q.authzid);
	copy->password = pack(&p, q.password);
	copy->mechanism = pack(&p, q.mechanism);
	copy->service = pack(&p, q.service);
	copy->peer_address = pack(&p, q.peer_address);
	copy->session_id = pack(&p, q.session_id);
	return copy;
}

void msv_question_free(struct msv_env *env, struct msv_auth_question *question)
{
	if (question)
		msv_free_secret(env, question, question_size(question));
}

/* -- Answers --------------------------------------------------------------------- */

void msv_auth_answer(struct msv_auth_op op, const struct msv_account *account)
{
	struct msv_account *copy = msv_account_copy_op(op.op, account);

	msv_op_complete(op.op, copy ? 0 : MSV_ERR_NOMEM, copy);
}

void msv_scram_answer(struct msv_scram_op op, const struct msv_scram_keys *keys)
{
	size_t digest = MSV_SHA256_SIZE;
	struct msv_scram_keys k, *copy;

	take(&k, sizeof(k), keys);
	copy = msv_op_alloc(op.op, sizeof(*copy) + k.salt_len + 2 * digest);
	if (!copy) {
		msv_op_complete(op.op, MSV_ERR_NOMEM, NULL);
		return;
	}
	uint8_t *p = (uint8_t *)(copy + 1);
	*copy = k;
	copy->stored_key = memcpy(p, k.stored_key, digest);
	copy->server_key = memcpy(p + digest, k.server_key, digest);
	copy->salt = memcpy(p + 2 * digest, k.salt, k.salt_len);
	msv_op_complete(op.op, 0, copy);
}
