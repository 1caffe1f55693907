/* SRS, with what other programs make of the same addresses. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "mta/aliases.h"

#define NOW ((uint64_t)1700000000)
#define DAY ((uint64_t)86400)

static const struct msv_span secret = { "tops3cr3t", 9 };
static const struct msv_span two[] = { { "other", 5 }, { "tops3cr3t", 9 } };
static struct msv_srs srs;
static struct msv_smtp_mailbox out;

static void setup(void)
{
	srs = (struct msv_srs){ .secrets = &secret, .nsecrets = 1, .domain = "fwd.example" };
}

static int forward_at(const char *sender, uint64_t now)
{
	struct msv_smtp_mailbox box;

	memset(&box, 0, sizeof box);
	if (*sender)
		ck_assert_int_eq(msv_smtp_mailbox_parse(sender, strlen(sender), &box), 0);
	struct msv_smtp_address from = msv_smtp_address_of(&box);
	memset(&out, 0x55, sizeof out);
	return msv_srs_forward(&srs, &from, now, &out);
}

static int back_at(const char *address, uint64_t now)
{
	struct msv_smtp_mailbox box;

	ck_assert_int_eq(msv_smtp_mailbox_parse(address, strlen(address), &box), 0);
	memset(&out, 0x55, sizeof out);
	return msv_srs_reverse(&srs, box.local, now, &out);
}

static void forwards(const char *sender, const char *wanted)
{
	ck_assert_int_eq(forward_at(sender, NOW), 1);
	ck_assert_str_eq(out.address, wanted);
}

static void goes_back(const char *address, const char *wanted)
{
	ck_assert_int_eq(back_at(address, NOW), 0);
	ck_assert_str_eq(out.address, wanted);
}

/* What Mail::SRS and libsrs2 write with this secret on that day. */
START_TEST(known_addresses)
{
	forwards("alice@example.com", "SRS0=PGkz=G3=example.com=alice@fwd.example");
	forwards("Alice.B+x@Sub.Example.COM", "SRS0=spLJ=G3=sub.example.com=Alice.B+x@fwd.example");
	forwards("a=b=c@d.example", "SRS0=VtTs=G3=d.example=a=b=c@fwd.example");
	srs.local_max = 255;
	forwards("SRS0=AbCd=EF=source.example=user@first.example",
	    "SRS1=5eCK=first.example==AbCd=EF=source.example=user@fwd.example");
	forwards("SRS0+AbCd=EF=source.example=user@first.example",
	    "SRS1=88uo=first.example=+AbCd=EF=source.example=user@fwd.example");
	forwards("SRS1=AbCd=first.example==HASH=TT=source.example=user@second.example",
	    "SRS1=67l0=first.example==HASH=TT=source.example=user@fwd.example");
	srs.secrets = two;
	srs.nsecrets = 2;
	srs.hash_length = 8;
	forwards("alice@example.com", "SRS0=zTZ7yGEv=G3=example.com=alice@fwd.example");
	srs.separator = '+';
	forwards("alice@example.com", "SRS0+zTZ7yGEv=G3=example.com=alice@fwd.example");
}
END_TEST

START_TEST(back)
{
	goes_back("SRS0=PGkz=G3=example.com=alice@fwd.example", "alice@example.com");
	goes_back("SRS0=VtTs=G3=d.example=a=b=c@fwd.example", "a=b=c@d.example");
	goes_back("SRS1=5eCK=first.example==AbCd=EF=source.example=user@fwd.example",
	    "SRS0=AbCd=EF=source.example=user@first.example");
	goes_back("SRS1=88uo=first.example=+AbCd=EF=source.example=user@fwd.example",
	    "SRS0+AbCd=EF=source.example=user@first.example");
	/* Servers on the way made all letters small, or large. */
	goes_back("srs0=pgkz=g3=example.com=alice@fwd.example", "alice@example.com");
	goes_back("SRS0-PGKZ=G3=EXAMPLE.COM=ALICE@fwd.example", "ALICE@example.com");
	/* Any of the secrets verifies. */
	srs.secrets = two;
	srs.nsecrets = 2;
	goes_back("SRS0=PGkz=G3=example.com=alice@fwd.example", "alice@example.com");
	/* A hash that is longer is verified whole. */
	goes_back("SRS0=zTZ7yGEv=G3=example.com=alice@fwd.example", "alice@example.com");
	ck_assert_int_eq(
	    back_at("SRS0=zTZ7yGEx=G3=example.com=alice@fwd.example", NOW), MSV_ERR_AUTH);
	srs.hash_length = 8;
	ck_assert_int_eq(back_at("SRS0=PGkz=G3=example.com=alice@fwd.example", NOW), MSV_ERR_AUTH);
}
END_TEST

/* Any change of what is signed is found. */
START_TEST(forged)
{
	const char *good = "SRS0=PGkz=G3=example.com=alice@fwd.example";
	char changed[100];

	for (size_t i = 5; good[i] != '@'; i++) {
		snprintf(changed, sizeof changed, "%s", good);
		changed[i] = changed[i] == 'q' ? 'w' : 'q';
		ck_assert_int_lt(back_at(changed, NOW), 0);
	}
	ck_assert_int_eq(back_at("SRS0=PGkz=G3=example.com=alicf@fwd.example", NOW), MSV_ERR_AUTH);
	ck_assert_int_eq(back_at("SRS0=PGkz=G3=example.org=alice@fwd.example", NOW), MSV_ERR_AUTH);
	ck_assert_int_eq(back_at("SRS0=PGkz=G4=example.com=alice@fwd.example", NOW), MSV_ERR_AUTH);
	ck_assert_int_eq(back_at("SRS0=PGk=G3=example.com=alice@fwd.example", NOW), MSV_ERR_AUTH);
	ck_assert_int_eq(
	    back_at("SRS1=5eCL=first.example==AbCd=EF=source.example=user@fwd.example", NOW),
	    MSV_ERR_AUTH);
	ck_assert_int_eq(
	    back_at("SRS0=0123456789012345678901234567=G3=example.com=alice@fwd.example", NOW),
	    MSV_ERR_AUTH);
}
END_TEST

START_TEST(age)
{
	const char *address = "SRS0=PGkz=G3=example.com=alice@fwd.example";

	ck_assert_int_eq(back_at(address, NOW + 21 * DAY), 0);
	ck_assert_int_eq(back_at(address, NOW + 22 * DAY), MSV_ERR_STALE);
	ck_assert_int_eq(back_at(address, NOW - 1 * DAY), MSV_ERR_STALE);
	srs.max_age = 30;
	ck_assert_int_eq(back_at(address, NOW + 30 * DAY), 0);
	ck_assert_int_eq(back_at(address, NOW + 31 * DAY), MSV_ERR_STALE);
	srs.max_age = 0;
	/* Days are counted anew after 1024; addresses live through that. */
	for (uint64_t day = 0; day < 1100; day++) {
		ck_assert_int_eq(forward_at("a@b.example", day * DAY + 5), 1);
		struct msv_smtp_mailbox sent = out;
		ck_assert_int_eq(back_at(sent.address, (day + 21) * DAY + 86399), 0);
		ck_assert_str_eq(out.address, "a@b.example");
		ck_assert_int_eq(back_at(sent.address, (day + 22) * DAY), MSV_ERR_STALE);
	}
}
END_TEST

START_TEST(left_alone)
{
	ck_assert_int_eq(forward_at("", NOW), 0);
	ck_assert_int_eq(forward_at("anna@FWD.example", NOW), 0);
	ck_assert_int_eq(forward_at("SRS0=PGkz=G3=example.com=alice@fwd.example", NOW), 0);
	ck_assert_int_eq(back_at("alice@fwd.example", NOW), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(back_at("srs@fwd.example", NOW), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(back_at("SRS0@fwd.example", NOW), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(back_at("SRS2=x@fwd.example", NOW), MSV_ERR_NOTFOUND);
	ck_assert(msv_srs_is("sRs0-x") && msv_srs_is("SRS1=") && !msv_srs_is("SRS0") &&
	          !msv_srs_is("SR") && !msv_srs_is("") && !msv_srs_is("SRS0.x"));
}
END_TEST

/* Quotes where they must be, on both ways. */
START_TEST(quoted)
{
	static const char *const senders[] = { "\"a b\"@example.com", "\"a@b\"@example.com",
		"\"\\\"\\\\\"@example.com", "x@[192.0.2.1]", "x@[IPv6:2001:db8::1]",
		"b\xc3\xbc"
		"cher@b\xc3\xbc"
		"cher.example",
		"\"\"@example.com", NULL };

	for (size_t i = 0; senders[i]; i++) {
		int error = forward_at(senders[i], NOW);
		if (strncmp(senders[i], "\"\"", 2) == 0) {
			/* Nothing stands for an empty local part. */
			ck_assert_int_eq(error, 1);
			struct msv_smtp_mailbox empty = out;
			ck_assert_int_eq(back_at(empty.address, NOW), MSV_ERR_FORMAT);
			continue;
		}
		ck_assert_int_eq(error, 1);
		struct msv_smtp_mailbox sent = out;
		ck_assert_str_eq(sent.domain, "fwd.example");
		goes_back(sent.address, senders[i]);
	}
}
END_TEST

START_TEST(too_long)
{
	char sender[400] = "";

	/* 4 + 1 + 4 + 1 + 2 + 1 + 11 + 1 octets stand around the local part. */
	memset(sender, 'x', 39);
	strcpy(sender + 39, "@example.com");
	ck_assert_int_eq(forward_at(sender, NOW), 1);
	ck_assert_uint_eq(strlen(out.local), 64);
	memset(sender, 'x', 40);
	strcpy(sender + 40, "@example.com");
	ck_assert_int_eq(forward_at(sender, NOW), MSV_ERR_LIMIT);
	srs.local_max = 65;
	ck_assert_int_eq(forward_at(sender, NOW), 1);
	srs.local_max = 1000;
	memset(sender, 'x', 255);
	strcpy(sender + 255, "@example.com");
	ck_assert_int_eq(forward_at(sender, NOW), MSV_ERR_LIMIT);
}
END_TEST

START_TEST(broken)
{
	static const char *const addresses[] = { "SRS0=@x", "SRS0=a@x", "SRS0=a=b@x",
		"SRS0=a=b=c@x", "\"SRS0=a=b=c=\"@x", "SRS0==b=c=d@x", "SRS0=a==c=d@x", "SRS1=@x",
		"SRS1=a@x", "SRS1=a=b@x", "SRS1==b=c@x", NULL };

	for (size_t i = 0; addresses[i]; i++)
		ck_assert_int_eq(back_at(addresses[i], NOW), MSV_ERR_FORMAT);
	ck_assert_int_eq(forward_at("SRS1=a@other.example", NOW), MSV_ERR_FORMAT);
	ck_assert_int_eq(forward_at("SRS1=a=b@other.example", NOW), MSV_ERR_FORMAT);
	srs.domain = "";
	ck_assert_int_eq(forward_at("a@b.example", NOW), MSV_ERR_INVAL);
	srs.domain = "fwd.example";
	srs.nsecrets = 0;
	ck_assert_int_eq(forward_at("a@b.example", NOW), MSV_ERR_INVAL);
	ck_assert_int_eq(back_at("SRS0=a=b=c=d@x", NOW), MSV_ERR_INVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/srs");

	check_fixture_case(s, "srs", setup, NULL, known_addresses, back, forged, age, left_alone,
	    quoted, too_long, broken);
	return check_main(s);
}
