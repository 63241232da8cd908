// Package deploy holds what is installed around the program. The rehearsal
// installs its app from the same manifest as a workspace does, so a scope that is
// missing there is missed here first.
package deploy

import (
	_ "embed"
	"fmt"

	"go.yaml.in/yaml/v4"
)

//go:embed slack-manifest.yaml
var manifest []byte

// App is what the manifest says of the Slack app, as far as a workspace has to
// know it.
type App struct {
	Name      string     // of the bot
	Command   string     // the slash command
	Scopes    []string   // of the bot token
	Events    []string   // that the bot is told of
	Shortcuts []Shortcut // on a message
	Home      bool       // it has a home tab
	ReadOnly  bool       // people cannot write to it in its messages tab
}

// Shortcut is an entry in the menu of each message.
type Shortcut struct {
	Name       string `yaml:"name"`
	Type       string `yaml:"type"`
	CallbackID string `yaml:"callback_id"`
}

// Slack reads the manifest of the Slack app.
func Slack() (App, error) {
	var m struct {
		Features struct {
			AppHome struct {
				Home     bool `yaml:"home_tab_enabled"`
				ReadOnly bool `yaml:"messages_tab_read_only_enabled"`
			} `yaml:"app_home"`
			BotUser struct {
				Name string `yaml:"display_name"`
			} `yaml:"bot_user"`
			Commands []struct {
				Command string `yaml:"command"`
			} `yaml:"slash_commands"`
			Shortcuts []Shortcut `yaml:"shortcuts"`
		} `yaml:"features"`
		OAuth struct {
			Scopes struct {
				Bot []string `yaml:"bot"`
			} `yaml:"scopes"`
		} `yaml:"oauth_config"`
		Settings struct {
			Events struct {
				Bot []string `yaml:"bot_events"`
			} `yaml:"event_subscriptions"`
		} `yaml:"settings"`
	}
	if err := yaml.Load(manifest, &m); err != nil {
		return App{}, fmt.Errorf("read slack-manifest.yaml: %w", err)
	}
	if len(m.Features.Commands) != 1 || len(m.OAuth.Scopes.Bot) == 0 {
		return App{}, fmt.Errorf("slack-manifest.yaml has %d slash commands and %d scopes: the app needs one command, and scopes", len(m.Features.Commands), len(m.OAuth.Scopes.Bot))
	}
	a := App{
		Name: m.Features.BotUser.Name, Command: m.Features.Commands[0].Command, Scopes: m.OAuth.Scopes.Bot,
		Events: m.Settings.Events.Bot, Home: m.Features.AppHome.Home, ReadOnly: m.Features.AppHome.ReadOnly,
	}
	for _, s := range m.Features.Shortcuts {
		if s.Type == "message" {
			a.Shortcuts = append(a.Shortcuts, s)
		}
	}
	return a, nil
}
