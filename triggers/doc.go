// Package triggers is where course events come in and where Latchkey's own events go out. It owns the catalogue of the
// twelve triggers, the decoding of messages into engine.Event, the NATS server in the process (or the connection to
// one elsewhere), the three streams, the consumer that hands batches to the engine, and the publisher.
//
// It does not own what becomes of an event: deduplication, persons, workflows and the stored offset are the
// engine's. Nothing else in Latchkey imports nats.go or nats-server.
//
// # Streams
//
//	COURSES       courses.<location>.<trigger>         what happened on the course site
//	COURSES_DEAD  courses_dead.<location>.<trigger>    messages that could not be used, with the reason in headers
//	LATCHKEY      latchkey.<location>.<type>           what Latchkey did: link.redeemed, message.sent, run.finished
package triggers
