'use strict';

// A small app on Slack's own SDK for JavaScript. It does what bots do (a command,
// a button, a form, a file, the home tab) and prints what reached it, one line of
// JSON each, for the test that started it.
//
// It ends when its standard input does, so it cannot outlive the test.

const { App } = require('@slack/bolt');

const tell = (saw, fields = {}) => process.stdout.write(`${JSON.stringify({ saw, ...fields })}\n`);

const app = new App({
  token: process.env.TRY_BOT_TOKEN,
  appToken: process.env.TRY_APP_TOKEN,
  socketMode: true,
  logLevel: 'warn',
  deferInitialization: true, // so that a refused bot token can be told
  clientOptions: {
    slackApiUrl: process.env.TRY_API_URL,
    retryConfig: { retries: 0 },
  },
});

app.error(async (error) => tell('error', { text: String(error), code: error.code, data: error.data }));

const plain = (text) => ({ type: 'plain_text', text });

const regionForm = (note) => ({
  type: 'modal',
  callback_id: 'approve',
  private_metadata: note,
  notify_on_close: true,
  title: plain('Approve'),
  submit: plain('Approve'),
  close: plain('Cancel'),
  blocks: [
    {
      type: 'input',
      block_id: 'region',
      label: plain('Type the Region'),
      element: { type: 'plain_text_input', action_id: 'value' },
    },
  ],
});

app.command('/failover', async ({ command, ack, client, respond }) => {
  tell('command', {
    command: command.command, text: command.text, user: command.user_id, channel: command.channel_id,
    team: command.team_id, app: command.api_app_id,
  });
  if (command.text === 'help') {
    await ack({ response_type: 'ephemeral', text: 'start, status, help' });
    return;
  }
  await ack();
  const posted = await client.chat.postMessage({
    channel: command.channel_id,
    text: 'Promote the database?',
    metadata: { event_type: 'trial', event_payload: { step: 'promote' } },
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: '*Promote the database?*' } },
      {
        type: 'actions',
        block_id: 'choices',
        elements: [{ type: 'button', action_id: 'approve', value: 'q-1', style: 'primary', text: plain('Approve') }],
      },
    ],
  });
  await respond({ response_type: 'ephemeral', text: 'asked' });
  tell('posted', { ts: posted.ts, channel: posted.channel, step: posted.message?.metadata?.event_payload?.step });
});

app.action('approve', async ({ action, body, ack, client }) => {
  await ack();
  const opened = await client.views.open({
    trigger_id: body.trigger_id,
    view: regionForm(JSON.stringify({ channel: body.channel.id, ts: body.message.ts })),
  });
  tell('action', {
    type: action.type, value: action.value, block: action.block_id, user: body.user.id,
    ts: body.message.ts, text: body.message.text, view: opened.view.id,
  });
});

app.view('approve', async ({ ack, view, body, client }) => {
  const typed = view.state.values.region.value.value;
  tell('view', { typed, user: body.user.id, view: view.id, callback: view.callback_id });
  if (typed !== 'us-west-2') {
    await ack({ response_action: 'errors', errors: { region: `Type us-west-2, not ${typed}` } });
    return;
  }
  await ack({ response_action: 'update', view: { type: 'modal', callback_id: 'approve', notify_on_close: true, title: plain('Thank you'), blocks: [{ type: 'section', text: plain('It begins now.') }] } });
  const { channel, ts } = JSON.parse(view.private_metadata);
  await client.chat.update({ channel, ts, text: 'Approved', blocks: [] });
  const upload = await client.filesUploadV2({
    channel_id: channel,
    thread_ts: ts,
    filename: 'review.md',
    title: 'Review',
    content: '# Review\n\nÜber alles berichtet.\n',
    initial_comment: 'The review draft',
  });
  const replies = await client.conversations.replies({ channel, ts });
  const file = upload.files[0].files[0].id;
  const info = await client.files.info({ file });
  tell('uploaded', {
    file, replies: replies.messages.length, size: info.file.size, name: info.file.name,
  });
});

app.view({ callback_id: 'approve', type: 'view_closed' }, async ({ ack, body }) => {
  await ack();
  tell('closed', { user: body.user.id, cleared: body.is_cleared });
});

app.shortcut({ callback_id: 'note', type: 'message_action' }, async ({ shortcut, ack, client, respond }) => {
  await ack();
  const opened = await client.views.open({ trigger_id: shortcut.trigger_id, view: regionForm('note') });
  await respond({ response_type: 'ephemeral', text: 'noted' });
  tell('shortcut', {
    type: shortcut.type, callback: shortcut.callback_id, user: shortcut.user.id, channel: shortcut.channel.id, ts: shortcut.message_ts,
    text: shortcut.message.text, author: shortcut.message.user, team: shortcut.team.id, view: opened.view.id,
  });
});

app.event('app_home_opened', async ({ event, client }) => {
  await client.views.publish({
    user_id: event.user,
    view: { type: 'home', blocks: [{ type: 'header', text: plain('Nothing is open') }] },
  });
  tell('home', { user: event.user, tab: event.tab });
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

app.receiver.client.on('connected', () => tell('connected'));
app.init().then(() => app.start()).then(
  () => tell('started'),
  (error) => {
    tell('failed', { text: String(error), code: error.code, error: error.data?.error });
    process.exit(1);
  },
);
