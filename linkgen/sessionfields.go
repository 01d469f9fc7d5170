package linkgen

import "latchkey/engine"

// What the records of sessions hold, as fields.go says.

func (s Session) write(w *engine.FieldWriter) {
	w.Text(1, s.Location)
	w.ID(2, s.Contact)
	w.Text(3, s.Link)
	w.Time(4, s.Created)
	w.Time(5, s.Seen)
	w.Number(6, uint64(s.Epoch))
	w.Text(7, s.Device)
	w.Text(8, s.Address)
	w.Text(9, s.As)
	w.Text(10, s.Workflow)
	w.ID(11, s.Run)
	w.Text(12, s.App)
	w.Number(13, s.mark)
}

func (s *Session) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		s.Location = r.Text()
	case 2:
		s.Contact = r.ID()
	case 3:
		s.Link = r.Text()
	case 4:
		s.Created = r.Time()
	case 5:
		s.Seen = r.Time()
	case 6:
		s.Epoch = uint32(r.Number())
	case 7:
		s.Device = r.Text()
	case 8:
		s.Address = r.Text()
	case 9:
		s.As = r.Text()
	case 10:
		s.Workflow = r.Text()
	case 11:
		s.Run = r.ID()
	case 12:
		s.App = r.Text()
	case 13:
		s.mark = r.Number()
	}
}

func (s StaffSession) write(w *engine.FieldWriter) {
	w.Text(1, s.Location)
	w.Text(2, s.Email)
	w.Text(3, s.Via)
	w.Text(4, s.Link)
	w.Time(5, s.Created)
	w.Time(6, s.Seen)
	w.Text(7, s.Device)
	w.Text(8, s.Address)
	w.Number(9, s.mark)
}

func (s *StaffSession) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		s.Location = r.Text()
	case 2:
		s.Email = r.Text()
	case 3:
		s.Via = r.Text()
	case 4:
		s.Link = r.Text()
	case 5:
		s.Created = r.Time()
	case 6:
		s.Seen = r.Time()
	case 7:
		s.Device = r.Text()
	case 8:
		s.Address = r.Text()
	case 9:
		s.mark = r.Number()
	}
}
