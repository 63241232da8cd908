package sim

import (
	"errors"
	"os"
)

// echo sends a byte through the kernel to another goroutine and back. It takes
// as long as anything else that goes through a pipe or a socket of this process
// takes at the moment, so waiting for it is a wait that fits the machine: short
// on an idle one, longer on a busy one or under the race detector.
type echo struct {
	out, in *os.File // the driver's ends
	far     [2]*os.File
	byteOne [1]byte
}

func newEcho() (*echo, error) {
	there, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	in, back, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, there.Close(), out.Close())
	}
	e := &echo{out: out, in: in, far: [2]*os.File{there, back}}
	go e.answer()
	return e, nil
}

func (e *echo) answer() {
	var b [1]byte
	for {
		if _, err := e.far[0].Read(b[:]); err != nil {
			return
		}
		if _, err := e.far[1].Write(b[:]); err != nil {
			return
		}
	}
}

// wait returns when a byte has been there and back. Nil, or a closed one, does
// not wait.
func (e *echo) wait() {
	if e == nil {
		return
	}
	if _, err := e.out.Write(e.byteOne[:]); err != nil {
		return
	}
	_, _ = e.in.Read(e.byteOne[:]) // a closed pipe waits for nothing
}

func (e *echo) close() {
	if e == nil {
		return
	}
	for _, f := range []*os.File{e.out, e.in, e.far[0], e.far[1]} {
		_ = f.Close() // nothing is lost in it
	}
}
