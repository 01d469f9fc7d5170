package runner

import "latchkey/engine"

// A contact's messages are first attempted one after the other: who is being attempted has the contact's lane, and the others
// are behind it. While a channel is down its messages stand in lanes of their own, so that they do not hold up those of
// other channels, and keep their order. Such a lane stays until it is empty.

// A laneKey names a lane; ch is nil but for one of a channel's own.
type laneKey struct {
	contact engine.ID
	ch      *channel
}

// A lane is who is behind in it, and the channel of the one that has it.
type lane struct {
	ch     *channel
	behind []item
}

func (it *item) lane() laneKey {
	if it.own {
		return laneKey{it.contact, it.ch}
	}
	return laneKey{contact: it.contact}
}

// choose says which lane a first attempt is to stand in. The caller holds mu.
func (p *partition) choose(it *item) {
	general, busy := p.lanes[laneKey{contact: it.contact}]
	it.own = it.ch.open.Load() && !(busy && general.ch == it.ch) // that one is being tried; both sidestep when it comes back
	if !it.own && p.ownLanes > 0 {
		_, it.own = p.lanes[laneKey{it.contact, it.ch}]
	}
}

// enter gives a first attempt its lane, or queues it behind the one that has it and returns false. The caller holds mu.
func (p *partition) enter(it *item) bool {
	p.choose(it)
	k := it.lane()
	l, busy := p.lanes[k]
	switch {
	case busy:
		l.behind = append(l.behind, *it)
	case it.own:
		p.ownLanes++
		fallthrough
	default:
		l.ch = it.ch
	}
	p.lanes[k] = l
	return !busy
}

// leave says that the first attempt of it is over or put off, so that the next in its lane may go. The caller holds mu.
func (p *partition) leave(it item) {
	if it.first {
		p.advance(it.lane())
	}
}

// advance gives a lane to the first of those behind, or ends it. The caller holds mu.
func (p *partition) advance(k laneKey) {
	behind := p.lanes[k].behind
	if len(behind) == 0 {
		delete(p.lanes, k)
		if k.ch != nil {
			p.ownLanes--
		}
		return
	}
	next := behind[0]
	if behind = behind[1:]; len(behind) == 0 {
		behind = nil
	}
	p.lanes[k] = lane{next.ch, behind}
	p.push(next)
}

// push makes an item ready that has its lane. The caller holds mu.
func (p *partition) push(it item) {
	if it.first && !it.own && it.ch.open.Load() {
		p.sidestep(it)
		return
	}
	p.ready[it.ch].push(it)
}

// sidestep moves an item of a channel that is down out of the contact's lane. The caller holds mu.
func (p *partition) sidestep(it item) {
	general := it.lane()
	it.own = true
	own := it.lane()
	same, others := p.part(p.lanes[general].behind, it.ch)
	if l, busy := p.lanes[own]; busy {
		p.lanes[own] = lane{it.ch, append(append([]item{it}, same...), l.behind...)}
	} else {
		p.lanes[own] = lane{it.ch, same}
		p.ownLanes++
		p.ready[it.ch].push(it)
	}
	p.lanes[general] = lane{nil, others}
	p.advance(general)
}

// part splits those behind in a lane into those of a channel, which are to be in its own, and the others.
func (p *partition) part(behind []item, ch *channel) (same, others []item) {
	for _, it := range behind {
		if it.ch == ch {
			it.own = true
			same = append(same, it)
		} else {
			others = append(others, it)
		}
	}
	return same, others
}

// sidestepAll moves all items of a channel that went down out of the contacts' lanes.
func (p *partition) sidestepAll(ch *channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.ready[ch]
	for range q.len() { // each is pushed again, in the order in which they stand
		p.push(q.pop())
	}
	for k, l := range p.lanes {
		if k.ch != nil || l.ch == ch {
			continue
		}
		same, others := p.part(l.behind, ch)
		if len(same) == 0 {
			continue
		}
		p.lanes[k] = lane{l.ch, others}
		own := laneKey{k.contact, ch}
		if o, busy := p.lanes[own]; busy {
			p.lanes[own] = lane{ch, append(o.behind, same...)}
			continue
		}
		p.lanes[own] = lane{ch, same[1:]}
		p.ownLanes++
		p.ready[ch].push(same[0])
	}
	signal(p.wake)
}
