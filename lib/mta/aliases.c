/* The table of aliases: its domains, its names sorted for looking up. */
#include "mta/aliases.h"

#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "codec/casefold.h"
#include "codec/idna.h"

/* -- Domains ---------------------------------------------------------------------- */

static int by_ascii(const void *a, const void *b)
{
	return strcmp(((const struct msv_alias_domain *)a)->ascii,
	    ((const struct msv_alias_domain *)b)->ascii);
}

static int add_domain(struct msv_aliases *aliases, const char *given)
{
	char ascii[MSV_DOMAIN_SIZE];
	int error = msv_domain_to_ascii(given, ascii);
	struct msv_alias_domain *domain = &aliases->sorted[aliases->ndomains];

	if (error)
		return error;
	char *name = msv_arena_strndup(&aliases->arena, given, strlen(given));
	domain->ascii = msv_arena_strndup(&aliases->arena, ascii, strlen(ascii));
	if (!name || !domain->ascii)
		return MSV_ERR_NOMEM;
	for (char *p = name; *p; p++)
		*p = msv_ascii_lower(*p);
	domain->name = name;
	aliases->domains[aliases->ndomains++] = name;
	return 0;
}

static int add_domains(struct msv_aliases *aliases, const struct msv_aliases_options *options)
{
	size_t n = options->ndomains + 1;
	int error = 0;

	aliases->domains = msv_arena_alloc(&aliases->arena, n * sizeof *aliases->domains);
	aliases->sorted = msv_arena_alloc(&aliases->arena, n * sizeof *aliases->sorted);
	if (!aliases->domains || !aliases->sorted)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < options->ndomains && !error; i++)
		error = add_domain(aliases, options->domains[i]);
	qsort(aliases->sorted, aliases->ndomains, sizeof *aliases->sorted, by_ascii);
	return error;
}

const char *msv_aliases_domain(const struct msv_aliases *aliases, const char *domain)
{
	char ascii[MSV_DOMAIN_SIZE];
	struct msv_alias_domain key = { .ascii = ascii };

	if (!aliases->ndomains || msv_domain_to_ascii(domain, ascii) != 0)
		return NULL;
	const struct msv_alias_domain *found =
	    bsearch(&key, aliases->sorted, aliases->ndomains, sizeof key, by_ascii);
	return found ? found->name : NULL;
}

/* -- Names ------------------------------------------------------------------------ */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct msv_alias *)a)->key, ((const struct msv_alias *)b)->key);
}

const struct msv_alias *msv_aliases_find(const struct msv_aliases *aliases, const char *key)
{
	struct msv_alias wanted = { .key = key };

	return aliases->naliases
	           ? bsearch(&wanted, aliases->aliases, aliases->naliases, sizeof wanted, by_key)
	           : NULL;
}

const char *const *msv_aliases_program(
    const struct msv_aliases *aliases, const char *name, size_t index)
{
	struct msv_buf key;
	const struct msv_alias *alias = NULL;

	msv_buf_init(&key, aliases->env);
	if (msv_alias_key_fold((struct msv_span){ name, strlen(name) }, &key) == 0 &&
	    msv_buf_cstr(&key))
		alias = msv_aliases_find(aliases, msv_buf_cstr(&key));
	msv_buf_fini(&key);
	for (size_t i = 0; alias && i < alias->ntargets; i++) {
		const struct msv_alias_target *target = &aliases->targets[alias->first + i];
		if (target->kind == MSV_TARGET_PROGRAM && index-- == 0)
			return target->words;
	}
	return NULL;
}

size_t msv_aliases_count(const struct msv_aliases *aliases)
{
	return aliases->naliases;
}

/* -- Life ------------------------------------------------------------------------- */

static int fill(struct msv_aliases *aliases, const struct msv_aliases_options *options,
    const char *text, size_t n)
{
	const char *file = options->name ? options->name : "aliases";
	const char *postmaster = options->postmaster;

	aliases->tag_separator = options->tag_separator ? options->tag_separator : '+';
	aliases->file = msv_arena_strndup(&aliases->arena, file, strlen(file));
	if (!aliases->file)
		return MSV_ERR_NOMEM;
	if (postmaster && !(aliases->postmaster = msv_arena_strndup(
	                        &aliases->arena, postmaster, strlen(postmaster))))
		return MSV_ERR_NOMEM;
	int error = add_domains(aliases, options);
	return error ? error : msv_aliases_load(aliases, options, text, n);
}

int msv_aliases_new(struct msv_env *env, const struct msv_aliases_options *options,
    const char *text, size_t n, struct msv_aliases **out)
{
	if (n > MSV_ALIASES_SIZE_MAX)
		return MSV_ERR_LIMIT;
	struct msv_aliases *aliases = msv_alloc(env, sizeof *aliases);
	if (!aliases)
		return MSV_ERR_NOMEM;
	aliases->env = env;
	msv_env_ref(env);
	aliases->refs = 1;
	msv_arena_init(&aliases->arena, env);
	int error = fill(aliases, options, text, n);
	if (error) {
		msv_aliases_unref(aliases);
		return error;
	}
	*out = aliases;
	return 0;
}

void msv_aliases_ref(struct msv_aliases *aliases)
{
	aliases->refs++;
}

void msv_aliases_unref(struct msv_aliases *aliases)
{
	if (!aliases || --aliases->refs)
		return;
	struct msv_env *env = aliases->env;
	msv_arena_fini(&aliases->arena);
	msv_free(env, aliases->aliases);
	msv_free(env, aliases->targets);
	msv_free(env, aliases);
	msv_env_unref(env);
}
