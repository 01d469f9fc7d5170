package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen"
)

// adminAudit keeps what staff did.
type adminAudit struct{ *site }

// Note implements console.Audit.
func (a adminAudit) Note(ctx context.Context, e console.AuditEntry) error {
	wall := a.cfg.Now()
	shard, detail := uint16(0), e.Detail
	if key, err := engine.ParseID(e.Contact); err == nil { // where it is forgotten with them
		shard, detail = key.Shard(), strings.TrimSpace("contact "+e.Contact+" "+detail)
	}
	return a.stores.For(shard).Update(ctx, func(tx engine.Tx) error {
		return linkgen.Audit(tx, linkgen.AuditEntry{At: engine.Tick(tx, wall), Location: a.cfg.Location, Who: e.Who, Did: e.Did, On: e.On, Detail: detail})
	})
}

// auditLook is how many entries are read at a time when some are left out.
const auditLook = 500

// Entries implements console.Audit.
func (a adminAudit) Entries(ctx context.Context, q console.AuditQuery) ([]console.AuditEntry, error) {
	var out []console.AuditEntry
	before := q.Before
	for len(out) < q.Limit {
		list, err := linkgen.AuditList(ctx, a.stores, a.cfg.Location, auditLook, before)
		if errors.Is(err, linkgen.ErrBadID) {
			return nil, fmt.Errorf("%w: before is the id of an entry", console.ErrInvalid)
		}
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			entry := console.AuditEntry{ID: e.ID, At: e.At, Who: e.Who, Did: e.Did, On: e.On, Detail: e.Detail}
			if rest, ok := strings.CutPrefix(e.Detail, "contact "); ok {
				entry.Contact, entry.Detail, _ = strings.Cut(rest, " ")
			}
			if q.Fits(entry) && len(out) < q.Limit {
				out = append(out, entry)
			}
			before = e.ID
		}
		if len(list) < auditLook {
			break
		}
	}
	return out, nil
}
