package incident

// Trait is what an action shows about the world when it is done. A plan carries
// the traits of each step's action, and nothing outside a provider gives meaning
// to an action's id.
type Trait string

// The traits.
const (
	// WriterMoved: the writer of the database was asked to be in the target.
	WriterMoved Trait = "writer-moved"
	// DatabaseWrites: the database was seen to write in the target.
	DatabaseWrites Trait = "database-writes"
	// TargetsHealthy: what users would be sent to in the target is healthy.
	TargetsHealthy Trait = "targets-healthy"
	// MovesUsers: with it users are sent to the target.
	MovesUsers Trait = "moves-users"
	// CacheLeads: the cache was seen to be the primary in the target.
	CacheLeads Trait = "cache-leads"
	// TakeoverPut: the object is there by which the target has taken over.
	TakeoverPut Trait = "takeover-put"
	// NamesMoved: the zone's own servers give out the target alone.
	NamesMoved Trait = "names-moved"
	// ResolversAsked: public resolvers were asked what they give out.
	ResolversAsked Trait = "resolvers-asked"
	// UsersServed: users were seen to be served by the target, by the public name.
	UsersServed Trait = "users-served"
	// AsUsers: it looks as users do, so when it fails users are not served.
	AsUsers Trait = "as-users"
	// OrdersFlow: an order went through by the public name and was served by the target.
	OrdersFlow Trait = "orders-flow"
	// Quorum: enough independent views agree that the source is down.
	Quorum Trait = "quorum"
	// SourceAnswers: the Region that is left answers, in more than one way.
	SourceAnswers Trait = "source-answers"
	// UsersWatched: it goes on looking at what users of the public name get.
	UsersWatched Trait = "users-watched"
	// WritersWatched: it goes on looking whether anything may write in the source.
	WritersWatched Trait = "writers-watched"
	// WritersStopped: nothing writes in the source any more.
	WritersStopped Trait = "writers-stopped"
	// SplitBrainWatched: it goes on looking whether the old writer may still accept writes.
	SplitBrainWatched Trait = "split-brain-watched"
	// StandbyWatched: it goes on looking whether the source's database follows again.
	StandbyWatched Trait = "standby-watched"
	// LostWritesWatched: it goes on looking for what the target never received.
	LostWritesWatched Trait = "lost-writes-watched"
	// TakeoverWatched: it goes on looking whether the next takeover would be seen.
	TakeoverWatched Trait = "takeover-watched"
	// StandbyAgain: a service in the source is as large as in a standby, and runs.
	StandbyAgain Trait = "standby-again"
	// BackupSeen: a backup of the source can be restored in the target.
	BackupSeen Trait = "backup-seen"
	// LastWritesKept: what was written last in the source is in the target.
	LastWritesKept Trait = "last-writes-kept"
	// ToldWhole: what it found wrong stands in its evidence, a line each, and all of it is
	// told to whoever decides to go on with that.
	ToldWhole Trait = "told-whole"
	// WarnsOfGo: what it warns of is told whole to whoever is asked for Go, for it may have
	// to be acted on before.
	WarnsOfGo Trait = "warns-of-go"
	// SaidAtTheEnd: what it found is part of what is said when the run has ended.
	SaidAtTheEnd Trait = "said-at-the-end"
	// ServersOut: servers were taken out of what leads their users to them.
	ServersOut Trait = "servers-out"
	// ServersLed: what leads users to servers leads to those that were moved, and they answer.
	ServersLed Trait = "servers-led"
)
