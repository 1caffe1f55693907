/* The client's configuration: its own copy, checked and complete. */
#include <string.h>

#include "smtp/client.h"

static void set_default(uint32_t *value, uint32_t usual)
{
	if (!*value)
		*value = usual;
}

static void fill_in(struct msv_smtp_client_config *c)
{
	if (!c->hostname)
		c->hostname = "localhost";
	set_default(&c->greeting_s, 300);
	set_default(&c->tls_s, 60);
	set_default(&c->command_s, 300);
	set_default(&c->data_s, 120);
	set_default(&c->block_s, 180);
	set_default(&c->end_s, 600);
	set_default(&c->quit_s, 5);
	set_default(&c->idle_s, 60);
	set_default(&c->reply_line_max, 4096);
	if (c->reply_line_max > 32768)
		c->reply_line_max = 32768;
	set_default(&c->reply_octets_max, 65536);
	if (!c->tls && c->tls_mode == MSV_SMTP_TLS_OPPORTUNISTIC)
		c->tls_mode = MSV_SMTP_TLS_OFF;
}

/* A name that is one word on the wire. */
static bool hostname_valid(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] <= 0x20 || name[i] > 0x7e)
			return false;
	return n && n <= 255;
}

static bool config_valid(const struct msv_smtp_client_config *c)
{
	bool wants_tls = c->implicit_tls || c->tls_mode == MSV_SMTP_TLS_REQUIRED ||
	                 c->tls_mode == MSV_SMTP_TLS_VERIFIED;

	return hostname_valid(c->hostname) && c->tls_mode <= MSV_SMTP_TLS_VERIFIED &&
	       (!wants_tls || c->tls) && (c->tls_mode != MSV_SMTP_TLS_VERIFIED || c->server_name) &&
	       (!c->username || c->password);
}

static int copy_strings(struct msv_env *env, struct msv_smtp_client_config *c)
{
	const char **const strings[] = { &c->hostname, &c->server_name, &c->username,
		&c->password };
	int error = 0;

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		char *copy = error ? NULL : msv_strdup(env, *strings[i]);
		if (*strings[i] && !copy)
			error = MSV_ERR_NOMEM;
		*strings[i] = copy;
	}
	return error;
}

/* Reads a struct of a caller whose header may be older: what it lacks is 0. */
static void take_config(struct msv_smtp_client_config *out, const struct msv_smtp_client_config *in)
{
	size_t given = in->size;

	memset(out, 0, sizeof(*out));
	memcpy(out, in, given < sizeof(*out) ? given : sizeof(*out));
}

int msv_smtp_client_take_config(
    struct msv_smtp_client *c, const struct msv_smtp_client_config *config)
{
	take_config(&c->config, config);
	fill_in(&c->config);
	return config_valid(&c->config) ? copy_strings(c->conn.env, &c->config) : MSV_ERR_INVAL;
}

void msv_smtp_client_forget_config(struct msv_smtp_client *c)
{
	struct msv_env *env = c->conn.env;
	const char *password = c->config.password;

	msv_free(env, (char *)c->config.hostname);
	msv_free(env, (char *)c->config.server_name);
	msv_free(env, (char *)c->config.username);
	if (password)
		msv_free_secret(env, (char *)password, strlen(password) + 1);
}
