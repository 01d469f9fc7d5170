package runner

// A schedule is a heap of things to do at a time.
type schedule[T any] struct{ es []scheduled[T] }

type scheduled[T any] struct {
	at   int64 // Unix milliseconds
	what T
}

func (s *schedule[T]) len() int { return len(s.es) }

// next returns when the first thing is to be done, and whether there is one.
func (s *schedule[T]) next() (int64, bool) {
	if len(s.es) == 0 {
		return 0, false
	}
	return s.es[0].at, true
}

func (s *schedule[T]) due(now int64) bool { return len(s.es) > 0 && s.es[0].at <= now }

func (s *schedule[T]) push(at int64, what T) {
	s.es = append(s.es, scheduled[T]{at, what})
	i := len(s.es) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s.es[parent].at <= s.es[i].at {
			return
		}
		s.es[parent], s.es[i] = s.es[i], s.es[parent]
		i = parent
	}
}

// pop removes and returns the first thing; there must be one.
func (s *schedule[T]) pop() T {
	top, last := s.es[0].what, len(s.es)-1
	s.es[0] = s.es[last]
	s.es[last] = scheduled[T]{}
	s.es = s.es[:last]
	for i := 0; ; {
		least, left := i, 2*i+1
		for c := left; c <= left+1 && c < last; c++ {
			if s.es[c].at < s.es[least].at {
				least = c
			}
		}
		if least == i {
			break
		}
		s.es[least], s.es[i] = s.es[i], s.es[least]
		i = least
	}
	return top
}

// takeIf removes and returns the things that ok chooses, in no order.
func (s *schedule[T]) takeIf(ok func(T) bool) (taken []T) {
	all := s.es
	s.es = make([]scheduled[T], 0, len(all))
	for _, e := range all {
		if ok(e.what) {
			taken = append(taken, e.what)
		} else {
			s.push(e.at, e.what)
		}
	}
	return taken
}

// A fifo is a queue of tasks.
type fifo struct {
	items    []item
	head     int
	returned []item // taken, and given back; they go first
}

func (q *fifo) len() int { return len(q.items) - q.head + len(q.returned) }

func (q *fifo) push(it item) { q.items = append(q.items, it) }

// pop removes and returns the first item; there must be one.
func (q *fifo) pop() item {
	if len(q.returned) > 0 {
		it := q.returned[0]
		q.returned = q.returned[1:]
		return it
	}
	it := q.items[q.head]
	q.items[q.head] = item{}
	q.head++
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
	case q.head > 1024 && q.head > len(q.items)/2:
		q.items = append(make([]item, 0, len(q.items)-q.head), q.items[q.head:]...)
		q.head = 0
	}
	return it
}
