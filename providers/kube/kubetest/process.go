package kubetest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
)

// processes starts programs, and ends them all. Each dies with this process too,
// however that ends. The kernel sees to that, but watches the thread that started a
// program and not the process; so one thread starts them all, and stays until they
// are gone.
type processes struct {
	work   chan func()
	mu     sync.Mutex
	all    []*process
	closed bool
}

func newProcesses() *processes {
	p := &processes{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		for f := range p.work {
			f()
		}
	}()
	return p
}

// process is one program that was started.
type process struct {
	name string
	log  string // the file with what it says
	cmd  *exec.Cmd
	over chan struct{} // closed when it has ended
}

// start starts a program that writes what it says to the file log. After end it
// returns an error and starts nothing.
func (p *processes) start(name, log string, cmd *exec.Cmd) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = out.Close() }() // the program has it by then
	cmd.Stdout, cmd.Stderr = out, out
	dieWithParent(cmd)

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("start %s: everything was ended already", name)
	}
	started := make(chan error)
	p.work <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	one := &process{name: name, log: log, cmd: cmd, over: make(chan struct{})}
	p.all = append(p.all, one)
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(one.over)
	}()
	return one, nil
}

// end kills everything that was started, the youngest first, and returns when it is
// gone. There is nothing to save: the data goes too. A second call does nothing.
func (p *processes) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	for _, one := range slices.Backward(p.all) {
		one.kill()
	}
	close(p.work)
}

// kill ends the process by its own id and waits for that.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error means that it has ended by itself
	<-p.over
}

func (p *process) alive() bool {
	select {
	case <-p.over:
		return false
	default:
		return true
	}
}

// said is the end of what the process wrote.
func (p *process) said() string {
	const most = 2000
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-most):])
}
