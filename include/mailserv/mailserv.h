/* Everything of libmailserv but the libuv part (uv.h). */
#ifndef MAILSERV_MAILSERV_H
#define MAILSERV_MAILSERV_H

#include <mailserv/auth.h>
#include <mailserv/base.h>
#include <mailserv/conn.h>
#include <mailserv/dns.h>
#include <mailserv/imap_server.h>
#include <mailserv/message.h>
#include <mailserv/mta.h>
#include <mailserv/queue.h>
#include <mailserv/smtp_client.h>
#include <mailserv/smtp_server.h>
#include <mailserv/store.h>
#include <mailserv/testing.h>
#include <mailserv/tls.h>
#include <mailserv/transport.h>

#endif
