// Package slacksim is a Slack small enough to rehearse against: the Web API and
// Socket Mode over a real WebSocket, close enough that slack-go cannot tell, and
// a page on which people read the channel, type commands, press buttons and fill
// forms.
//
// It promises to be no kinder than Slack. It refuses a wrong token or the wrong
// kind of token, a scope that the token lacks, a channel that the bot is not in or
// that is archived, a message over the limits, a trigger that is used or older than
// three seconds, and calling faster than Slack allows, each with Slack's own
// error name; refusals_test.go says of each where Slack says so, or that it does
// not. An envelope goes to exactly one connection and comes again, with
// the same id, when it is not acknowledged or its connection is lost.
//
// All state lives in the [Server] and outlives the bot: a bot that was killed
// connects again, finds its messages, and gets what it had not acknowledged.
//
// There are two sides. Programs use /api/ and the socket as they would at Slack.
// People (the page, and the player of a rehearsal) use /rehearsal/, which is
// ours: it says what a person sees and takes what a person does.
//
// Time is the incident.Clock. While an envelope is on its way to the bot, or
// news is on its way to a reader who asked to be paced, the server is busy, so a
// pretend clock that waits for whoever is busy stands still. One that runs on, some
// times as fast as life, would take Slack's seconds from the bot while the machine
// works: on that one they are as many real seconds (Options.Speed). Keeping sockets
// alive (pings, write deadlines) is about the machine and not about the incident,
// and uses the machine's clock.
package slacksim

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// The workspace and the app, as the bot meets them.
const (
	TeamID    = "T0REHEARSAL"
	AppID     = "A0FAILOVER"
	BotUserID = "U0FAILOVER"
	BotID     = "B0FAILOVER"

	teamDomain = "rehearsal"
	slackbot   = "USLACKBOT"
)

// Options say what the workspace looks like. Every field has a default except
// Clock.
type Options struct {
	// Listen is the address to serve on; 127.0.0.1:0 when empty.
	Listen string

	// Clock is the time of the rehearsal.
	Clock incident.Clock

	// Speed is how many times as fast as life Clock runs on while somebody is busy;
	// nil, or +Inf, when it stands still meanwhile.
	Speed func() float64

	// BotToken (xoxb-...) and AppToken (xapp-...) are the only tokens that are
	// accepted, each for its own methods.
	BotToken, AppToken string

	// BotName is what the bot is called on the page; failoverbot when empty.
	BotName string

	// Channels exist from the start, with everybody and the bot in those that name
	// no Members; #incident-response and #general when empty.
	Channels []Channel

	// People are the members of the workspace.
	People []Person

	// Groups are the user groups of the workspace.
	Groups []Group

	// Shortcuts are the app's message shortcuts, which people find beside a message.
	Shortcuts []Shortcut

	// Events are the kinds of event that the app is subscribed to; message,
	// app_mention and app_home_opened when nil. An event needs its scope as well.
	Events []string

	// Scopes are what the bot token may do. Nil is all that the methods here ask
	// for, but not chat:write.public: the bot posts where it is a member.
	Scopes []string

	// Command is the app's slash command; /failover when empty.
	Command string

	// HomeDisabled says that the app has no home tab, as home_tab_enabled: false of
	// the manifest does.
	HomeDisabled bool

	// DirectReadOnly says that people cannot write to the app in its direct message,
	// as messages_tab_read_only_enabled of the manifest does.
	DirectReadOnly bool

	// Wire receives a line of JSON per connection, envelope, redelivery and
	// acknowledgement; Messages one per message posted, updated or deleted. Nil
	// keeps no log.
	Wire, Messages io.Writer

	// RefreshEvery is how old a connection gets before it is asked to come back;
	// zero means that only Refresh does that.
	RefreshEvery time.Duration

	// Extra handles paths of the page's address that are not Slack's, so that
	// a rehearsal can show its world beside the channel. Nil means 404. It is
	// asked only by this address's own page, never by a foreign one.
	Extra http.Handler
}

// Channel is a public channel, or a private one, which only its members see.
// Members are ids of people, and of the bot when it is in the channel; the bot is
// in none that is archived. Creator is who made it, when somebody here did.
type Channel struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Topic     string     `json:"topic,omitempty"`
	Purpose   string     `json:"purpose,omitempty"`
	Private   bool       `json:"private,omitempty"`
	Creator   string     `json:"creator,omitempty"`
	Members   []string   `json:"members"`
	Archived  bool       `json:"archived,omitempty"`
	Bookmarks []Bookmark `json:"bookmarks"`
}

// Shortcut is an entry of the menu beside every message.
type Shortcut struct {
	CallbackID string `json:"callback_id"`
	Name       string `json:"name"`
}

// Bookmark is a link at the top of a channel.
type Bookmark struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Link    string `json:"link"`
	Emoji   string `json:"emoji,omitempty"`
	Created int64  `json:"created"`
	Updated int64  `json:"updated,omitempty"`
}

// Group is a user group. People mention it by its handle, without the @.
type Group struct {
	ID          string   `json:"id"`
	Handle      string   `json:"handle"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Users       []string `json:"users"`
}

// Person is a member of the workspace. Title is shown beside the name. Away is
// whether Slack shows them as away, at the start and as they change it.
type Person struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title"`
	Away  bool   `json:"away,omitempty"`
	// Kind is "" for a member of the workspace, or guest, deactivated, or stranger: of
	// another organisation, in a shared channel.
	Kind string `json:"kind,omitempty"`
}

// otherTeam is where a stranger is at home.
const otherTeam = "T0ELSEWHERE"

func (p Person) team() string {
	if p.Kind == "stranger" {
		return otherTeam
	}
	return TeamID
}

// Block is one Block Kit block, or any other JSON object of Slack's.
type Block = map[string]any

// Message is a message as it stands now. A deleted one is gone.
type Message struct {
	Channel   string         `json:"channel"`
	TS        string         `json:"ts"`
	ThreadTS  string         `json:"thread_ts,omitempty"`
	User      string         `json:"user"`
	BotID     string         `json:"bot_id,omitempty"`
	For       string         `json:"for,omitempty"` // the only person who sees it
	Text      string         `json:"text"`
	Blocks    []Block        `json:"blocks,omitempty"`
	Metadata  map[string]any `json:"metadata,omitempty"`
	Files     []File         `json:"files,omitempty"`
	Edited    string         `json:"edited,omitempty"`
	Broadcast bool           `json:"broadcast,omitempty"`
	Pinned    bool           `json:"pinned,omitempty"`
	Reactions []string       `json:"reactions,omitempty"`

	pinnedAt int64 // in seconds
}

// File is an uploaded file. It is shared once Channel is set.
type File struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Title   string `json:"title"`
	Size    int    `json:"size"`
	Channel string `json:"channel,omitempty"`
	User    string `json:"user,omitempty"`
	Created int64  `json:"created"`
	Content []byte `json:"-"`
}

// Server is the workspace.
type Server struct {
	opt      Options
	clock    incident.Clock
	real     incident.RealClock
	listener net.Listener
	http     *http.Server
	wire     *lineLog
	msgLog   *lineLog
	feed     *feed
	trace    traceLog
	away     atomic.Bool

	stop context.CancelFunc
	life context.Context // the server's own, ended by Close
	work sync.WaitGroup
	over bool // nothing starts any more; guarded by spawning

	spawning sync.Mutex

	mu        sync.Mutex
	lastTS    int64
	channels  []Channel
	groups    []Group
	absent    map[string]bool   // people who are away
	direct    map[string]string // person -> DM channel id
	messages  map[string][]*Message
	ephemeral map[string][]*Message // person -> messages
	files     map[string]*File
	fileOrder []string
	uploads   map[string]string // upload ticket -> file id
	triggers  map[string]*trigger
	hooks     map[string]*hook
	views     map[string]*view
	stacks    map[string][]*view // person -> open modals, the last on top
	homes     map[string]*view
	buckets   map[string]*bucket
	conns     []*conn
	tickets   map[string]func()
	turn      int
	connSeq   int
	waiters   []chan grant
	pending   map[string]*envelope
	returning []func() // holds of connections that were asked to come back, or may again
	cut       int      // connections that were closed when Slack went away
}

// New opens the listener, so that URL is known, and serves once Run is called.
func New(o Options) (*Server, error) {
	if o.Clock == nil {
		return nil, errors.New("the rehearsal Slack needs a clock")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.BotToken == "" {
		o.BotToken = "xoxb-rehearsal"
	}
	if o.AppToken == "" {
		o.AppToken = "xapp-rehearsal"
	}
	if !strings.HasPrefix(o.BotToken, "xoxb-") || !strings.HasPrefix(o.AppToken, "xapp-") {
		return nil, errors.New("the rehearsal Slack's bot token has to begin with xoxb- and its app token with xapp-")
	}
	if o.BotName == "" {
		o.BotName = "failoverbot"
	}
	if o.Command == "" {
		o.Command = "/failover"
	}
	if len(o.Channels) == 0 {
		o.Channels = []Channel{{ID: "C0INCIDENT", Name: "incident-response"}, {ID: "C0GENERAL", Name: "general"}}
	}
	if o.Events == nil {
		o.Events = []string{"message", "app_mention", "app_home_opened"}
	}
	seen := map[string]bool{BotUserID: true, slackbot: true}
	absent := map[string]bool{}
	for _, p := range o.People {
		if p.ID == "" || seen[p.ID] {
			return nil, fmt.Errorf("the rehearsal Slack: the person id %q is empty, reserved or given twice", p.ID)
		}
		seen[p.ID], absent[p.ID] = true, p.Away
	}
	channels := slices.Clone(o.Channels)
	for i := range channels {
		if channels[i].Members == nil {
			channels[i].Members = append(channels[i].Members, BotUserID)
			for _, p := range o.People {
				channels[i].Members = append(channels[i].Members, p.ID)
			}
		}
		if channels[i].Archived {
			channels[i].Members = without(slices.Clone(channels[i].Members), BotUserID)
		}
	}
	for _, g := range o.Groups {
		if seen[g.ID] {
			return nil, fmt.Errorf("the rehearsal Slack: the user group id %q is given twice", g.ID)
		}
		seen[g.ID] = true
		if err := g.check(o.People); err != nil {
			return nil, fmt.Errorf("the rehearsal Slack: %w", err)
		}
	}
	for i, one := range o.Shortcuts {
		again := slices.ContainsFunc(o.Shortcuts[:i], func(other Shortcut) bool { return other.CallbackID == one.CallbackID })
		if one.CallbackID == "" || one.Name == "" || again {
			return nil, fmt.Errorf("the rehearsal Slack: the shortcut %q (callback id %q) has no name or no callback id, or stands twice", one.Name, one.CallbackID)
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("open the rehearsal Slack's address: %w", err)
	}
	life, stop := context.WithCancel(context.Background())
	s := &Server{
		opt: o, clock: o.Clock, listener: l, life: life, stop: stop,
		wire: &lineLog{w: o.Wire}, msgLog: &lineLog{w: o.Messages},
		feed:      newFeed(o.Clock),
		channels:  channels,
		groups:    slices.Clone(o.Groups),
		absent:    absent,
		direct:    map[string]string{},
		messages:  map[string][]*Message{},
		ephemeral: map[string][]*Message{},
		files:     map[string]*File{},
		uploads:   map[string]string{},
		triggers:  map[string]*trigger{},
		hooks:     map[string]*hook{},
		views:     map[string]*view{},
		stacks:    map[string][]*view{},
		homes:     map[string]*view{},
		buckets:   map[string]*bucket{},
		tickets:   map[string]func(){},
		pending:   map[string]*envelope{},
	}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return life },
	}
	return s, nil
}

// Run serves until ctx ends or Close is called, and returns once everything that
// it started has ended.
func (s *Server) Run(ctx context.Context) error {
	defer s.wait()
	defer s.shut()
	unhook := context.AfterFunc(ctx, s.shut)
	defer unhook()
	err := s.http.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) || s.life.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve the rehearsal Slack: %w", err)
}

// Close ends Run. A second call does nothing.
func (s *Server) Close() error {
	s.shut()
	return nil
}

// enter makes Run wait for the caller until work.Done, or says that it is too
// late.
func (s *Server) enter() bool {
	s.spawning.Lock()
	defer s.spawning.Unlock()
	if !s.over {
		s.work.Add(1)
	}
	return !s.over
}

// spawn starts something that Run waits for. It does nothing once Run ends.
func (s *Server) spawn(do func()) {
	s.spawning.Lock()
	defer s.spawning.Unlock()
	if s.over {
		return
	}
	s.work.Go(do)
}

// goBusy starts something that lives by the clock.
func (s *Server) goBusy(do func()) {
	done := s.clock.Busy()
	s.spawning.Lock()
	defer s.spawning.Unlock()
	if s.over {
		done()
		return
	}
	s.work.Go(func() {
		defer done()
		do()
	})
}

func (s *Server) wait() {
	s.spawning.Lock()
	s.over = true
	s.spawning.Unlock()
	s.work.Wait()
}

func (s *Server) shut() {
	s.stop()
	_ = s.http.Close()
	_ = s.listener.Close() // Serve may never have been called
	s.mu.Lock()
	conns := slices.Clone(s.conns)
	s.mu.Unlock()
	for _, c := range conns {
		c.close()
	}
	s.feed.close()
	s.mu.Lock()
	held := s.returning
	s.returning = nil
	for t, done := range s.tickets {
		held = append(held, done)
		delete(s.tickets, t)
	}
	s.mu.Unlock()
	for _, done := range held {
		done()
	}
}

// URL is the address of the page on this machine, ending in a slash.
func (s *Server) URL() string { return pages(s.at(), nil)[0] }

// URLs are URL and, when the server listens on every address of the machine, those
// that others can open.
func (s *Server) URLs() []string {
	here, _ := net.InterfaceAddrs() // none that can be named, otherwise
	return pages(s.at(), here)
}

func (s *Server) at() netip.AddrPort {
	at := s.listener.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// pages are the addresses of what listens at one, on a machine that has these.
func pages(at netip.AddrPort, machine []net.Addr) (urls []string) {
	of := func(ip netip.Addr) string { return "http://" + netip.AddrPortFrom(ip, at.Port()).String() + "/" }
	if !at.Addr().IsUnspecified() {
		return []string{of(at.Addr())}
	}
	urls = []string{of(netip.AddrFrom4([4]byte{127, 0, 0, 1}))}
	for _, a := range machine {
		one, err := netip.ParsePrefix(a.String())
		// No browser opens a link-local address, and 0.0.0.0 may be IPv4 alone.
		if ip := one.Addr(); err == nil && ip.IsGlobalUnicast() && (ip.Is4() || at.Addr().Is6()) {
			urls = append(urls, of(ip))
		}
	}
	return urls
}

// APIURL is what slack.OptionAPIURL wants.
func (s *Server) APIURL() string { return s.URL() + "api/" }

// Messages returns the messages of a channel (its id or name), thread replies
// included, in the order in which they were posted.
func (s *Server) Messages(channel string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.channelID(channel)
	if !ok {
		return nil
	}
	return values(s.messages[id])
}

// Ephemerals returns what only this person sees.
func (s *Server) Ephemerals(user string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return values(s.ephemeral[user])
}

// Files returns the files that were shared, in the order of their upload.
func (s *Server) Files() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []File
	for _, id := range s.fileOrder {
		if f := s.files[id]; f.Channel != "" {
			out = append(out, *f)
		}
	}
	return out
}

// Connections is how many Socket Mode connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func values(in []*Message) []Message {
	out := make([]Message, 0, len(in))
	for _, m := range in {
		out = append(out, *m)
	}
	return out
}

// within is how much time on the clock the bot has for what Slack limits: at least as
// much real time as Slack gives it.
func (s *Server) within(limit time.Duration) time.Duration {
	if s.opt.Speed == nil {
		return limit
	}
	speed := s.opt.Speed()
	if speed <= 1 || math.IsInf(speed, 1) {
		return limit
	}
	return time.Duration(float64(limit) * speed)
}

// hold makes the clock wait for something that somebody else has to do next, and
// gives up after a real-time guard, for he may never do it.
func (s *Server) hold(guard time.Duration) (release func()) {
	done := s.clock.Busy()
	ctx, cancel := s.real.WithTimeout(s.life, guard, nil)
	context.AfterFunc(ctx, done)
	return func() {
		done()
		cancel()
	}
}

// ts makes a timestamp that no other message has. Called with mu held.
func (s *Server) ts() string {
	us := s.clock.Now().UnixMicro()
	if us <= s.lastTS {
		us = s.lastTS + 1
	}
	s.lastTS = us
	return fmt.Sprintf("%d.%06d", us/1e6, us%1e6)
}

func (s *Server) person(id string) (Person, bool) {
	for _, p := range s.opt.People {
		if p.ID == id {
			return p, true
		}
	}
	return Person{}, false
}

// handle is the user name: lower case, without spaces.
func (p Person) handle() string {
	return strings.ToLower(strings.ReplaceAll(p.Name, " ", "."))
}

var base32id = base32.StdEncoding.WithPadding(base32.NoPadding)

// newID makes an id that nobody can guess: trigger ids, upload and response URLs
// are capabilities.
func newID(prefix string) string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + base32id.EncodeToString(b[:])
}
