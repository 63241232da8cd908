package slacksim

import (
	"slices"
	"strings"
)

// method is one of the Web API: what a call of it has to bring, and what it does.
type method struct {
	tier tier
	// scope is what the bot token needs: those beside one another with | serve
	// equally. It is the one for public channels; see scopesFor. Empty: nothing.
	scope string
	// args are the arguments that have to be given, with blanks between them.
	// Slack tells an argument that is not there from one that is empty.
	args string
	in   place
	do   func(*Server, *call) (map[string]any, error) // with mu held
	app  bool                                         // it takes the app token
}

// place is what the channel of a call has to be. The zero place is no channel.
type place struct {
	arg      string // the argument that names it
	named    bool   // by a name, or a person for their direct message, as well as by its id
	direct   string // the refusal of a direct message; empty: it will do
	public   bool   // a private channel is refused by its kind
	archived string // the refusal of an archived one; empty: it will do
	outside  string // the refusal of one that the bot is not in; empty: it will do
	open     bool   // chat:write.public makes up for not being in it
}

const wrongKind = "method_not_supported_for_channel_type"

// The kinds of place that several methods share.
var (
	anywhere = place{arg: "channel"}
	read     = place{arg: "channel", outside: "not_in_channel"}
	// post is where something is said. Whoever names a channel may do so here and
	// nowhere else.
	post = place{arg: "channel", named: true, archived: "is_archived", outside: "not_in_channel"}
	// manage is a channel whose settings or members are changed.
	manage = place{arg: "channel", direct: wrongKind, archived: "is_archived", outside: "not_in_channel"}
	// shelf is a channel with its bookmarks.
	shelf = place{arg: "channel_id", direct: "channel_not_found", outside: "permission_denied"}
)

// methods are the Web API methods that exist here. Tiers, scopes and arguments
// are those of Slack's reference (docs.slack.dev/reference/methods/ and the name
// of the method), except where the comment says why not. refusals_test.go says of
// each refusal where it stands.
func methods() map[string]method {
	public := post
	public.open = true
	frozen, gone, reactable := anywhere, anywhere, read
	frozen.archived = "is_inactive"
	gone.archived = "cant_delete_message"
	reactable.archived = "is_archived"
	kickable, archivable, leavable, joinable := manage, manage, manage, manage
	kickable.archived = ""
	archivable.archived = "already_archived"
	leavable.outside = ""
	joinable.outside, joinable.public = "", true
	bookmarked := shelf
	bookmarked.outside = ""

	const (
		chat      = "chat:write"
		reads     = "channels:read"
		history   = "channels:history"
		manages   = "channels:manage"
		topics    = "channels:manage|channels:write.topic"
		invites   = "channels:manage|channels:write.invites"
		reactions = "reactions:write"
	)
	return map[string]method{
		"apps.connections.open": {tier: tierConnect, app: true, do: (*Server).connectionsOpen},

		"auth.test": {tier: tierSpecial, do: (*Server).authTest},
		"api.test":  {tier: tier4, do: (*Server).apiTest},

		"chat.postMessage":   {tier: tierPost, scope: chat, args: "channel", in: public, do: (*Server).postMessage},
		"chat.postEphemeral": {tier: tier4, scope: chat, args: "channel user", in: post, do: (*Server).postEphemeral},
		"chat.update":        {tier: tier3, scope: chat, args: "channel ts", in: frozen, do: (*Server).updateMessage},
		"chat.delete":        {tier: tier3, scope: chat, args: "channel ts", in: gone, do: (*Server).deleteMessage},
		"chat.getPermalink":  {tier: tierSpecial, args: "channel message_ts", in: anywhere, do: (*Server).permalink},

		"conversations.history":    {tier: tier3, scope: history, args: "channel", in: read, do: (*Server).history},
		"conversations.replies":    {tier: tier3, scope: history, args: "channel ts", in: read, do: (*Server).replies},
		"conversations.info":       {tier: tier3, scope: reads, args: "channel", in: anywhere, do: (*Server).channelInfo},
		"conversations.members":    {tier: tier4, scope: reads, args: "channel", in: anywhere, do: (*Server).channelMembers},
		"conversations.list":       {tier: tier2, scope: reads, do: (*Server).channelList},
		"conversations.create":     {tier: tier2, scope: manages, args: "name", do: (*Server).channelCreate},
		"conversations.rename":     {tier: tier2, scope: manages, args: "channel name", in: manage, do: (*Server).channelRename},
		"conversations.setTopic":   {tier: tier2, scope: topics, args: "channel topic", in: manage, do: (*Server).setTopic},
		"conversations.setPurpose": {tier: tier2, scope: topics, args: "channel purpose", in: manage, do: (*Server).setPurpose},
		"conversations.invite":     {tier: tier3, scope: invites, args: "channel", in: manage, do: (*Server).channelInvite},
		"conversations.kick":       {tier: tier3, scope: manages, args: "channel", in: kickable, do: (*Server).channelKick},
		"conversations.join":       {tier: tier3, scope: "channels:join", args: "channel", in: joinable, do: (*Server).channelJoin},
		"conversations.leave":      {tier: tier3, scope: manages, args: "channel", in: leavable, do: (*Server).channelLeave},
		"conversations.archive":    {tier: tier2, scope: manages, args: "channel", in: archivable, do: (*Server).channelArchive},
		"conversations.unarchive":  {tier: tier2, scope: manages, args: "channel", in: place{arg: "channel", direct: wrongKind}, do: (*Server).channelUnarchive},
		"conversations.open":       {tier: tier3, scope: "im:write", do: (*Server).openDirect},

		// Tier 3 in the reference, tier 2 in what Slack's SDK for Java keeps.
		"users.conversations": {tier: tier3, scope: reads, do: (*Server).userChannels},
		"users.info":          {tier: tier4, scope: "users:read", args: "user", do: (*Server).userInfo},
		"users.list":          {tier: tier2, scope: "users:read", do: (*Server).userList},
		"users.lookupByEmail": {tier: tier3, scope: "users:read.email", args: "email", do: (*Server).userByEmail},
		"users.getPresence":   {tier: tier3, scope: "users:read", do: (*Server).presence},

		"views.open":    {tier: tier4, args: "view", do: (*Server).viewsOpen},
		"views.push":    {tier: tier4, args: "view", do: (*Server).viewsPush},
		"views.update":  {tier: tier4, args: "view", do: (*Server).viewsUpdate},
		"views.publish": {tier: tier4, args: "user_id view", do: (*Server).viewsPublish},

		"files.getUploadURLExternal":   {tier: tier4, scope: "files:write", do: (*Server).uploadURL},
		"files.completeUploadExternal": {tier: tier4, scope: "files:write", args: "files", do: (*Server).completeUpload},
		"files.info":                   {tier: tier4, scope: "files:read", args: "file", do: (*Server).fileInfo},

		"pins.add":    {tier: tier2, scope: "pins:write", args: "channel", in: read, do: (*Server).pinAdd},
		"pins.remove": {tier: tier2, scope: "pins:write", args: "channel", in: read, do: (*Server).pinRemove},
		"pins.list":   {tier: tier2, scope: "pins:read", args: "channel", in: read, do: (*Server).pinList},

		"bookmarks.add":    {tier: tier2, scope: "bookmarks:write", args: "channel_id title type", in: shelf, do: (*Server).bookmarkAdd},
		"bookmarks.edit":   {tier: tier2, scope: "bookmarks:write", args: "channel_id bookmark_id", in: shelf, do: (*Server).bookmarkEdit},
		"bookmarks.remove": {tier: tier2, scope: "bookmarks:write", args: "channel_id bookmark_id", in: shelf, do: (*Server).bookmarkRemove},
		"bookmarks.list":   {tier: tier3, scope: "bookmarks:read", args: "channel_id", in: bookmarked, do: (*Server).bookmarkList},

		"usergroups.list":       {tier: tier2, scope: "usergroups:read", do: (*Server).groupList},
		"usergroups.users.list": {tier: tier2, scope: "usergroups:read", args: "usergroup", do: (*Server).groupUsers},

		"reactions.add":    {tier: tier3, scope: reactions, args: "channel name", in: reactable, do: (*Server).reactionAdd},
		"reactions.remove": {tier: tier2, scope: reactions, args: "channel name", in: read, do: (*Server).reactionRemove},
		"reactions.get":    {tier: tier3, scope: "reactions:read", args: "channel", in: read, do: (*Server).reactionGet},
	}
}

// ready refuses a call that lacks an argument or is about a place that its method
// is not for. Called with mu held.
func (s *Server) ready(m method, c *call) error {
	var missing []string
	for name := range strings.FieldsSeq(m.args) {
		if v, given := c.args[name]; !given || v == nil {
			missing = append(missing, "[ERROR] missing required field: "+name)
		}
	}
	if len(missing) > 0 {
		return refuse("invalid_arguments", missing...)
	}
	if m.in.arg == "" {
		return nil
	}
	var err error
	c.at, err = s.visit(m.in, c.str(m.in.arg))
	return err
}

// visit finds the channel that is meant, as far as the bot may see it, and
// refuses one that is not what it has to be. Called with mu held.
func (s *Server) visit(in place, name string) (Channel, error) {
	id, found := name, false
	if in.named {
		id, found = s.target(name)
	}
	if s.directPerson(id) != "" {
		if in.direct != "" {
			return Channel{}, refuse(in.direct)
		}
		return Channel{ID: id}, nil
	}
	ch, known := s.channel(id)
	inside := slices.Contains(ch.Members, BotUserID)
	switch {
	case !known && !found:
		return ch, refuse("channel_not_found")
	case ch.Private && in.public:
		return ch, refuse(wrongKind)
	case ch.Private && !inside:
		return ch, refuse("channel_not_found")
	case ch.Archived && in.archived != "":
		return ch, refuse(in.archived)
	case inside || in.outside == "" || in.open && slices.Contains(s.opt.Scopes, "chat:write.public"):
		return ch, nil
	}
	return ch, refuse(in.outside)
}

// family is what the scopes for a channel begin with. Of a private channel the
// bot learns nothing that it is not in. Called with mu held.
func (s *Server) family(id string) string {
	switch ch, _ := s.channel(id); {
	case s.directPerson(id) != "":
		return "im"
	case ch.Private && slices.Contains(ch.Members, BotUserID):
		return "groups"
	}
	return "channels"
}

// ofFamily is a scope for channels as it is for direct messages or for private
// channels.
func ofFamily(scope, family string) string {
	area, right, _ := strings.Cut(scope, ":")
	if area != "channels" || family == "channels" || right == "join" {
		return scope
	}
	if right == "manage" {
		right = "write"
	}
	return family + ":" + right
}

// scopesFor are the scopes of which a call has to have one each.
func (s *Server) scopesFor(scope string, c *call) (all []string) {
	switch c.method {
	case "conversations.list", "users.conversations":
		for _, kind := range c.types() {
			if family, ok := map[string]string{"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}[kind]; ok {
				all = append(all, ofFamily(scope, family))
			}
		}
		return all
	case "conversations.create":
		if c.flag("is_private") {
			return []string{ofFamily(scope, "groups")}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	family := s.family(c.str("channel"))
	var alike []string
	for one := range strings.SplitSeq(scope, "|") {
		alike = append(alike, ofFamily(one, family))
	}
	return []string{strings.Join(alike, "|")}
}

// permitted refuses a call that the bot token has no scope for.
func (s *Server) permitted(scope string, c *call) error {
	if scope == "" || s.opt.Scopes == nil {
		return nil
	}
	for _, need := range s.scopesFor(scope, c) {
		alike := strings.Split(need, "|")
		if !slices.ContainsFunc(alike, func(one string) bool { return slices.Contains(s.opt.Scopes, one) }) {
			return &apiError{code: "missing_scope", more: map[string]any{
				"needed": strings.Join(alike, ","), "provided": strings.Join(s.opt.Scopes, ","),
			}}
		}
	}
	return nil
}
