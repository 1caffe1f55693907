/*
 * The second field of a passwd line: `{SCHEME}data`, `{SCHEME.b64}data`,
 * `{SCHEME.hex}data`, or a bare crypt(3) hash; and checks of it that can run
 * on another thread.
 */
#include "auth/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "codec/casefold.h"
#include "config.h"

/* -- The scheme table --------------------------------------------------------------- */

static const struct {
	const struct msv_scheme *rows;
	const size_t *n;
} parts[] = {
	{ msv_scheme_crypt, &msv_scheme_ncrypt },
	{ msv_scheme_digest, &msv_scheme_ndigest },
	{ msv_scheme_argon2, &msv_scheme_nargon2 },
};

static const struct msv_scheme *find_scheme(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		for (size_t k = 0; k < *parts[i].n; k++) {
			if (msv_ascii_equals(name, n, parts[i].rows[k].name))
				return &parts[i].rows[k];
		}
	}
	return NULL;
}

static const struct {
	const char *suffix;
	enum msv_encoding encoding;
} encodings[] = {
	{ "b64", MSV_ENCODING_BASE64 },
	{ "base64", MSV_ENCODING_BASE64 },
	{ "hex", MSV_ENCODING_HEX },
};

static int parse_suffix(const char *p, size_t n, enum msv_encoding *out)
{
	for (size_t i = 0; i < sizeof(encodings) / sizeof(*encodings); i++) {
		if (msv_ascii_equals(p, n, encodings[i].suffix)) {
			*out = encodings[i].encoding;
			return 0;
		}
	}
	return MSV_ERR_UNSUPPORTED;
}

/* Of a digest without a suffix: hex when the length says so. */
static enum msv_encoding digest_encoding(const struct msv_scheme *scheme, const char *data)
{
	return !scheme->salted && strlen(data) == 2 * msv_digest_size(scheme->digest)
	           ? MSV_ENCODING_HEX
	           : MSV_ENCODING_BASE64;
}

static int parse_bare(const char *field, struct msv_field *out)
{
	/* $method$..., _extended DES, or the 13 characters of DES. */
	if (field[0] != '$' && field[0] != '_' && strlen(field) != 13)
		return MSV_ERR_FORMAT;
	out->scheme = find_scheme("CRYPT", 5);
	out->encoding = MSV_ENCODING_PLAIN;
	out->data = field;
	return out->scheme ? 0 : MSV_ERR_UNSUPPORTED;
}

int msv_field_parse(const char *field, struct msv_field *out)
{
	if (field[0] != '{')
		return parse_bare(field, out);
	size_t n = strcspn(field, "}"), name = strcspn(field, ".}");
	if (field[n] != '}')
		return MSV_ERR_FORMAT;
	out->data = field + n + 1;
	out->encoding = MSV_ENCODING_PLAIN;
	if (!(out->scheme = find_scheme(field + 1, name - 1)))
		return MSV_ERR_UNSUPPORTED;
	if (name < n)
		return parse_suffix(field + name + 1, n - name - 1, &out->encoding);
	if (out->scheme->binary)
		out->encoding = digest_encoding(out->scheme, out->data);
	return 0;
}

bool msv_field_locked(const char *field)
{
	return field[0] == '\0' || field[0] == '*' || field[0] == '!' || strcmp(field, "x") == 0;
}

/* -- Kinds ---------------------------------------------------------------------------- */

/* How many bytes at the beginning of a crypt(3) or Argon2 text say the method
 * and its cost: up to the n-th dollar sign, or so many bytes. */
static const struct {
	const char *prefix;
	size_t dollars, bytes;
} costs[] = {
	{ "$argon2", 4, 0 },
	{ "$2", 3, 0 },
	{ "$y$", 3, 0 },
	{ "$gy$", 3, 0 },
	{ "$7$", 0, 14 },
	{ "$5$rounds=", 3, 0 },
	{ "$6$rounds=", 3, 0 },
	{ "$", 2, 0 },
};

/* The length of the text up to and with the n-th `$`. */
static size_t up_to_dollar(const char *text, size_t n)
{
	const char *p = text;

	while (n && *p) {
		if (*p++ == '$')
			n--;
	}
	return (size_t)(p - text);
}

static size_t cost_length(const char *text)
{
	for (size_t i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
		if (strncmp(text, costs[i].prefix, strlen(costs[i].prefix)) != 0)
			continue;
		return costs[i].dollars ? up_to_dollar(text, costs[i].dollars)
		                        : strnlen(text, costs[i].bytes);
	}
	return 0;
}

void msv_field_kind(const struct msv_field *field, char out[MSV_KIND_SIZE])
{
	const char *data = field->data;
	size_t n = 0;

	/* Encoded text hides its cost; such fields are rare enough to be one kind. */
	if (field->encoding == MSV_ENCODING_PLAIN) {
		if (field->scheme->room_size || field->scheme->prefix)
			n = cost_length(data);
		else if (field->scheme->prepares)
			n = strcspn(data, ",");
	}
	snprintf(out, MSV_KIND_SIZE, "%s:%.*s", field->scheme->name, (int)(n < 64 ? n : 64), data);
}

/* -- The data --------------------------------------------------------------------------- */

bool msv_field_is_plain(const struct msv_field *field)
{
	return strcmp(field->scheme->name, "PLAIN") == 0;
}

struct msv_field msv_field_scram(const char *value)
{
	return (struct msv_field){ .scheme = find_scheme("SCRAM-SHA-256", 13), .data = value };
}

/* The data of the field as bytes into out, which holds strlen(data) + 1. */
static int decode(const struct msv_field *field, char *out, size_t *n)
{
	size_t len = strlen(field->data);
	int error = 0;

	switch (field->encoding) {
	case MSV_ENCODING_BASE64:
		error = msv_base64_decode(field->data, len, (uint8_t *)out, n);
		break;
	case MSV_ENCODING_HEX:
		error = msv_hex_decode(field->data, len, (uint8_t *)out);
		*n = len / 2;
		break;
	case MSV_ENCODING_PLAIN:
		memcpy(out, field->data, len);
		*n = len;
		break;
	}
	if (error)
		return error;
	out[*n] = '\0';
	return field->scheme->valid(field->scheme, out, *n) ? 0 : MSV_ERR_FORMAT;
}

int msv_field_decode(struct msv_env *env, const struct msv_field *field, char **out, size_t *n)
{
	size_t size = strlen(field->data) + 1;

	if (!(*out = msv_alloc(env, size)))
		return MSV_ERR_NOMEM;
	int error = decode(field, *out, n);
	if (error) {
		msv_free_secret(env, *out, size);
		*out = NULL;
	}
	return error;
}

int msv_field_valid(struct msv_env *env, const struct msv_field *field)
{
	char *data;
	size_t n;
	int error = msv_field_decode(env, field, &data, &n);

	if (!error)
		msv_free_secret(env, data, n);
	return error;
}

/* -- Checks --------------------------------------------------------------------------- */

struct msv_check {
	const struct msv_scheme *scheme;
	size_t size; /* of this piece of memory */
	size_t n;
	char *data;
	char *password;
	char *prepared;
	void *room;
};

/* One piece: the struct, crypt's room, the data, the password. */
static struct msv_check *check_alloc(
    struct msv_env *env, const struct msv_field *field, const char *password)
{
	size_t room = field->scheme->room_size, data = strlen(field->data) + 1;
	size_t size = sizeof(struct msv_check) + room + data + strlen(password) + 1;
	struct msv_check *c = msv_alloc(env, size);

	if (!c)
		return NULL;
	c->scheme = field->scheme;
	c->size = size;
	c->room = c + 1;
	c->data = (char *)(c + 1) + room;
	c->password = c->data + data;
	memcpy(c->password, password, strlen(password));
	return c;
}

int msv_check_new(struct msv_env *env, const struct msv_field *field, const char *password,
    struct msv_check **out)
{
	struct msv_check *c = check_alloc(env, field, password);
	int error;

	*out = NULL;
	if (!c)
		return MSV_ERR_NOMEM;
	if ((error = decode(field, c->data, &c->n)))
		goto fail;
	if (c->scheme->prepares && !(c->prepared = msv_saslprep(env, password))) {
		error = MSV_ERR_NOMEM;
		goto fail;
	}
	*out = c;
	return 0;
fail:
	msv_check_free(env, c);
	return error;
}

int msv_check_run(struct msv_check *check)
{
	const struct msv_scheme *s = check->scheme;

	return s->check(s, check->data, check->n, check->password, check->prepared, check->room);
}

void msv_check_free(struct msv_env *env, struct msv_check *check)
{
	if (!check)
		return;
	msv_free_string_secret(env, check->prepared);
	msv_free_secret(env, check, check->size);
}

/* -- The public functions --------------------------------------------------------------- */

int msv_password_check(struct msv_env *env, const char *field, const char *password)
{
	struct msv_field parsed;
	struct msv_check *check;

	if (msv_field_locked(field))
		return MSV_ERR_AUTH;
	int error = msv_field_parse(field, &parsed);
	if (error || (error = msv_check_new(env, &parsed, password, &check)))
		return error;
	error = msv_check_run(check);
	msv_check_free(env, check);
	return error;
}

int msv_password_hash(struct msv_env *env, const char *scheme, const char *password, char **out)
{
#ifdef HAVE_CRYPT
	const char *best = "CRYPT";
#else
	const char *best = "SCRAM-SHA-256";
#endif
	const char *name = scheme ? scheme : best;
	const struct msv_scheme *s = find_scheme(name, strlen(name));
	struct msv_buf buf;

	*out = NULL;
	if (!s || !s->hash)
		return MSV_ERR_UNSUPPORTED;
	if (!*password)
		return MSV_ERR_INVAL;
	/* Room enough from the start: what grows leaves copies of secrets. */
	msv_buf_init(&buf, env);
	int error = msv_buf_reserve(&buf, 2 * strlen(password) + 1024) ? 0 : MSV_ERR_NOMEM;
	if (!error && (error = s->hash(s, password, &buf)) == 0) {
		const char *text = msv_buf_cstr(&buf);
		*out = text ? msv_strdup(env, text) : NULL;
		error = *out ? 0 : MSV_ERR_NOMEM;
	}
	if (buf.p)
		explicit_bzero(buf.p, buf.cap);
	msv_buf_fini(&buf);
	return error;
}

int msv_password_scram(struct msv_env *env, const char *password, char **out)
{
	struct msv_scram_value value = { .iterations = MSV_SCRAM_ITERATIONS, .salt_len = 16 };
	char text[MSV_SCRAM_TEXT_SIZE];
	int error;

	*out = NULL;
	if (!*password)
		return MSV_ERR_INVAL;
	char *prepared = msv_saslprep(env, password);
	if (!prepared)
		return MSV_ERR_NOMEM;
	if ((error = msv_env_random(env, value.salt, value.salt_len)) == 0 &&
	    (error = msv_scram_derive(MSV_SHA256, prepared, &value)) == 0) {
		msv_scram_format(MSV_SHA256, &value, text);
		*out = msv_strdup(env, text);
		error = *out ? 0 : MSV_ERR_NOMEM;
	}
	msv_free_string_secret(env, prepared);
	explicit_bzero(&value, sizeof(value));
	return error;
}
