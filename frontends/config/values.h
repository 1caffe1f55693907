/* The values of mailserv.conf: functions for libconfuse's tables. */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include <confuse.h>
#include <stdbool.h>

#include "config.h"

/* What a word of the file stands for; a table ends with NULL. */
struct word {
	const char *word;
	long value;
};
int parse_word(
    cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result, const struct word *words);

/* Parsers: text to number.  0, or -1 and said why. */
int parse_octets(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_command_size(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_line_size(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_seconds(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_greet_delay(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_count(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_role(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_layout(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_lifetime(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int parse_level(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);

/* Checks of what was taken.  0, or -1 and said why. */
int check_domains(cfg_t *cfg, cfg_opt_t *opt);
int check_port(cfg_t *cfg, cfg_opt_t *opt);
int check_separator(cfg_t *cfg, cfg_opt_t *opt);
int check_prefix(cfg_t *cfg, cfg_opt_t *opt);
int check_network(cfg_t *cfg, cfg_opt_t *opt);
int check_location(cfg_t *cfg, cfg_opt_t *opt);
int check_log(cfg_t *cfg, cfg_opt_t *opt);
int check_masquerade(cfg_t *cfg, cfg_opt_t *opt);
int check_dns(cfg_t *cfg, cfg_opt_t *opt);

/* -- config.c: from libconfuse to the struct ------------------------------------ */

/* p, or the end of the program when it is NULL: no memory. */
void *config_need(void *p);
char *config_copy(const char *s);
/* A path that is not absolute is beneath the directory of the file. */
char *config_path(const struct config *config, const char *s);
/* Something is missing or does not fit; cfg is the section, or NULL for the whole file. */
void config_missing(const cfg_t *cfg, const char *format, ...) MSV_PRINTF(2, 3);

/* -- sending.c ------------------------------------------------------------------------ */

extern cfg_opt_t config_route_options[], config_queue_options[], config_sender_options[];
void config_take_sending(struct config *config, cfg_t *cfg);
void config_free_sending(struct config *config);

/* Where the prefix stands: its separator may come later. */
extern int config_prefix_line;

#endif
