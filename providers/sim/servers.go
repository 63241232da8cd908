package sim

import (
	"fmt"
	"net"
	"slices"
	"sync"
)

// servers are what the world listens on.
type servers struct {
	wait   sync.WaitGroup
	close  []func() error
	listen map[string]net.Addr
}

// address is where a server of the world listens.
func (w *World) address(name string) string {
	if a, ok := w.servers.listen[name]; ok {
		return a.String()
	}
	return ""
}

// listen opens every server, where it was before if that is possible.
func (w *World) listen() error {
	w.servers.listen = map[string]net.Addr{}
	open := func() error {
		for _, name := range nameserverNames {
			if err := w.listenDNS(name, w.zoneServer(name)); err != nil {
				return err
			}
		}
		for _, name := range resolverNames {
			if err := w.listenDNS(name, w.resolver(name)); err != nil {
				return err
			}
		}
		for _, region := range regionNames {
			if err := w.listenCache(region); err != nil {
				return err
			}
			if err := w.listenIstiod(region); err != nil {
				return err
			}
			if err := w.listenMonitoring(region); err != nil {
				return err
			}
			if err := w.listenMachines(region); err != nil {
				return err
			}
			for _, via := range []string{viaOwn, viaPublic} {
				if err := w.listenHTTP(region, via); err != nil {
					return err
				}
			}
		}
		return w.listenPager()
	}
	if err := open(); err != nil {
		w.closeServers()
		return err
	}
	w.lock()
	defer w.unlock()
	for name, addr := range w.servers.listen {
		w.state.Ports[name] = addr.String()
	}
	return w.save()
}

func (w *World) closeServers() {
	for _, v := range slices.Backward(w.servers.close) {
		_ = v() // nothing is left to be lost
	}
	w.servers.close = nil
	w.servers.wait.Wait()
}

// listenTCP listens where this server listened before, or anywhere.
func (w *World) listenTCP(name string) (net.Listener, error) {
	w.lock()
	before := w.state.Ports[name]
	w.unlock()
	if before != "" {
		if l, err := net.Listen("tcp", before); err == nil {
			return l, nil
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the pretend %s: %w", name, err)
	}
	return l, nil
}
