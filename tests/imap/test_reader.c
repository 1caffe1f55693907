/* How commands come in: tags, lines, literals, limits (RFC 3501 2.2, 4.3, RFC 7888). */
#include "imap/rig.h"

START_TEST(lines)
{
	rig_play(NULL, RIG_HELLO "C: a NOOP\n"
	                         "S: a OK NOOP completed\n"
	                         "C: a.1]~ noop\n"
	                         "S: a.1]~ OK NOOP completed\n"
	                         "C= b NOOP\\n\n"
	                         "S: b OK NOOP completed\n"
	                         "C: \n"
	                         "S: * BAD Empty command\n"
	                         "C: c\n"
	                         "S: c BAD Missing command\n"
	                         "C: c \n"
	                         "S: c BAD Missing command\n"
	                         "C: c  NOOP\n"
	                         "S: c BAD Missing command\n"
	                         "C: + NOOP\n"
	                         "S: * BAD Invalid tag\n"
	                         "C: (c) NOOP\n"
	                         "S: * BAD Invalid tag\n"
	                         "C: d FROB\n"
	                         "S: d BAD Unknown command\n"
	                         "C: d NOOP now\n"
	                         "S: d BAD Too many arguments\n"
	                         "C: d UID NOOP\n"
	                         "S: d BAD Unknown command\n"
	                         "C: d UID\n"
	                         "S: d BAD UID stands before a command\n"
	                         "C= e NO\\rOP\\r\\n\n"
	                         "S: e BAD The command holds a NUL or a lone CR\n"
	                         "C= e NOOP\\r\\r\\n\n"
	                         "S: e BAD The command holds a NUL or a lone CR\n"
	                         "C= e \\x00NOOP\\r\\n\n"
	                         "S: e BAD The command holds a NUL or a lone CR\n"
	                         "C: f FETCH 1 FLAGS\n"
	                         "S: f BAD No mailbox is selected\n"
	                         "C: f LOGIN a b\n"
	                         "S: f BAD Already logged in\n"
	                         "C: g CREATE \"x\n"
	                         "S: g BAD A quoted string does not end\n"
	                         "C: g CREATE \"x\\y\"\n"
	                         "S: g BAD Invalid escape in a quoted string\n"
	                         "C: g CREATE \"x\\\\\"\n"
	                         "S: g OK CREATE completed\n"
	                         "C: z LOGOUT\n"
	                         "S: * BYE Logging out\n"
	                         "S: z OK LOGOUT completed\n"
	                         "X:\n");
}
END_TEST

START_TEST(literals)
{
	rig_play(NULL, RIG_HELLO "C: a CREATE {3}\n"
	                         "S: + OK\n"
	                         "C: foo\n"
	                         "S: a OK CREATE completed\n"
	                         "C: b CREATE {3+}\n"
	                         "C: bar\n"
	                         "S: b OK CREATE completed\n"
	                         "C: c RENAME {3+}\n"
	                         "C, bar\n"
	                         "C:  {3}\n"
	                         "S: + OK\n"
	                         "C: baz\n"
	                         "S: c OK RENAME completed\n"
	                         "C: d LIST {0+}\n"
	                         "C:  {1+}\n"
	                         "C: *\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" baz\n"
	                         "S: * LIST (\\HasNoChildren) \"/\" foo\n"
	                         "S: d OK LIST completed\n"
	                         "# a literal that is no literal\n"
	                         "C: e CREATE \"a {3}\"\n"
	                         "S: e OK CREATE completed\n"
	                         "C: e CREATE {3} \n"
	                         "S: e BAD Invalid literal\n"
	                         "C: e CREATE {3+\n"
	                         "S: e BAD Invalid literal\n"
	                         "C: e CREATE {x}\n"
	                         "S: e BAD A number is missing\n"
	                         "C: e CREATE {}\n"
	                         "S: e BAD A number is missing\n"
	                         "# what is in a literal is never a command\n"
	                         "C: f FROB {8+}\n"
	                         "C= f NOOP\\r\\n\n"
	                         "C: \n"
	                         "S: f BAD Unknown command\n"
	                         "C: g FROB {8}\n"
	                         "S: g BAD Unknown command\n"
	                         "C: g CREATE {2+}\n"
	                         "C= a\\x00\\r\\n\n"
	                         "S: g BAD A literal holds a NUL\n"
	                         "C: g CREATE {3+}\n"
	                         "C= x\\r\\n\\r\\n\n"
	                         "S: g NO [CANNOT] The mailbox name is not valid modified UTF-7\n"
	                         "C: h NOOP\n"
	                         "S: h OK NOOP completed\n");
}
END_TEST

/* LITERAL-: no more than 4,096 octets without waiting (RFC 7888 5). */
START_TEST(literal_minus)
{
	struct rig rig;
	char zeros[4098];

	rig_init(&rig, false);
	rig.config.literal_minus = true;
	rig_connect(&rig, 0);
	memset(zeros, '0', sizeof(zeros));
	rig_say(&rig, 0,
	    "S* *IMAP4rev1 LITERAL- SASL-IR*\n"
	    "C: a CREATE {4097+}\n");
	msv_conn_input(rig.conns[0], zeros, 4097);
	rig_say(&rig, 0,
	    "C: \n"
	    "S: a BAD [TOOBIG] Literals of more than 4096 octets must wait\n"
	    "C: b APPEND INBOX {4097+}\n");
	msv_conn_input(rig.conns[0], zeros, 4097);
	rig_say(&rig, 0,
	    "C: \n"
	    "S: b BAD [TOOBIG] Literals of more than 4096 octets must wait\n"
	    "C: c APPEND INBOX {4096+}\n");
	msv_conn_input(rig.conns[0], zeros, 4096);
	rig_say(&rig, 0,
	    "C: \n"
	    "S* c OK ?APPENDUID * 1? APPEND completed\n");
	rig_fini(&rig);
}
END_TEST

/* Sends n octets of c. */
static void flood(struct rig *rig, char c, size_t n)
{
	char piece[1000];

	memset(piece, c, sizeof(piece));
	for (; n; n -= n < sizeof(piece) ? n : sizeof(piece))
		msv_conn_input(rig->conns[0], piece, n < sizeof(piece) ? n : sizeof(piece));
}

START_TEST(limits)
{
	struct rig rig;

	rig_init(&rig, false);
	rig_connect(&rig, 0);
	rig_say(&rig, 0, RIG_HELLO "C, a NOOP \n");
	flood(&rig, 'x', 1000000);
	rig_say(&rig, 0,
	    "C: \n"
	    "S: a BAD The command is too long\n"
	    "# the end of a long line may announce a literal\n"
	    "C, b NOOP \n");
	flood(&rig, 'x', 100000);
	rig_say(&rig, 0,
	    "C:  {8+}\n"
	    "C: c NOOP\n"
	    "C: \n"
	    "S: b BAD The command is too long\n"
	    "C: d CREATE {70000}\n"
	    "S: d BAD [TOOBIG] The literal is too long\n"
	    "C: d CREATE {99999999999999999999999999}\n"
	    "S: d BAD [TOOBIG] The literal is too long\n"
	    "C: e CREATE {70000+}\n");
	flood(&rig, 'x', 70000);
	rig_say(&rig, 0,
	    "C: \n"
	    "S: e BAD [TOOBIG] The literal is too long\n"
	    "C: f NOOP\n"
	    "S: f OK NOOP completed\n");
	flood(&rig, 'g', 70000);
	rig_say(&rig, 0,
	    "C: \n"
	    "S: * BAD The command is too long\n"
	    "C: f CREATE {99999999999999999999999999+}\n"
	    "S: f BAD [TOOBIG] The literal is too long\n"
	    "S: * BYE Cannot tell where the next command begins\n"
	    "X:\n");
	ck_assert_uint_lt(msv_test_memory_peak(rig.test), 400000);
	rig_fini(&rig);
}
END_TEST

START_TEST(many_literals)
{
	struct rig rig;

	rig_init(&rig, false);
	rig_connect(&rig, 0);
	rig_say(&rig, 0, RIG_HELLO "C, a SEARCH\n");
	for (int i = 0; i < 1001; i++)
		rig_say(&rig, 0, "C:  {0+}\n");
	rig_say(&rig, 0,
	    "C: \n"
	    "S: a BAD No mailbox is selected\n"
	    "C: b NOOP\n"
	    "S: b OK NOOP completed\n" RIG_SELECT("INBOX") "C, c SEARCH\n");
	for (int i = 0; i < 1001; i++)
		rig_say(&rig, 0, "C:  {0+}\n");
	rig_say(&rig, 0,
	    "C: \n"
	    "S: c BAD Too many literals\n");
	rig_fini(&rig);
}
END_TEST

/* Mistakes in a row end the connection; one right command forgives them. */
START_TEST(errors)
{
	struct rig rig;

	rig_init(&rig, false);
	rig.config.errors_max = 3;
	rig_connect(&rig, 0);
	rig_say(&rig, 0,
	    RIG_HELLO "C: a X\n"
	              "S: a BAD Unknown command\n"
	              "C: a X\n"
	              "S: a BAD Unknown command\n"
	              "C: a NOOP\n"
	              "S: a OK NOOP completed\n"
	              "C: a X\n"
	              "S: a BAD Unknown command\n"
	              "C: a X\n"
	              "S: a BAD Unknown command\n"
	              "C: a X\n"
	              "S: a BAD Unknown command\n"
	              "S: * BYE Too many errors\n"
	              "X:\n");
	rig_fini(&rig);
}
END_TEST

/* A peer that is gone gets what it asked for before. */
START_TEST(end_of_input)
{
	rig_play(NULL, RIG_HELLO "C: a NOOP\n"
	                         "C, b NO\n"
	                         "E:\n"
	                         "S: a OK NOOP completed\n"
	                         "X:\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/reader");

	check_case(s, "reader", lines, literals, literal_minus, limits, many_literals, errors,
	    end_of_input);
	return check_main(s);
}
