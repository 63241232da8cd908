package slacksim

import "net/http"

// Pages are the addresses of what listens at one, on a machine that has these.
var Pages = pages

// Served are the Web API methods that exist here, with the scope that each needs
// and its tier.
func Served() map[string][2]string {
	served := map[string][2]string{}
	for name, m := range methods() {
		served[name] = [2]string{m.scope, m.tier.name}
	}
	return served
}

// WhileUpgrading does something while a socket is on its way to being one.
func WhileUpgrading(do func()) (undo func()) {
	was := upgrader.CheckOrigin
	upgrader.CheckOrigin = func(*http.Request) bool { do(); return true }
	return func() { upgrader.CheckOrigin = was }
}

// Kept is how many triggers and response_urls the server remembers.
func (s *Server) Kept() (triggers, hooks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.triggers), len(s.hooks)
}
