// Package smtp is the Mailer that hands mails to an SMTP server (RFC 5321). It owns the pool of kept
// connections, TLS and login, what an address may look like on the wire, and which replies are final,
// temporary or unknown. It does not render, retry or sign: templates does the first, the runner the second,
// the relay the third. The sessions and the MIME are go-mail's; the transaction itself is here, because that
// is where a mail is lost or doubled: it is pipelined where the server allows (RFC 2920), and it knows
// whether the final dot had left.
package smtp
