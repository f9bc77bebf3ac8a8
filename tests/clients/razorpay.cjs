// Every call of npm's `razorpay` for the resources that Dodeca speaks. Prints what came back.
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const Razorpay = require('razorpay')
const { validatePaymentVerification, validateWebhookSignature } = require('razorpay/dist/utils/razorpay-utils')

const CARD = { number: '4242424242424242', name: 'Asha Rao', expiry_month: '12', expiry_year: '2040', cvv: '123' }

async function main([base, key_id, key_secret]) {
  const instance = new Razorpay({ key_id, key_secret })
  instance.api.rq.defaults.baseURL = base
  // A key may ask a hundred times a second: on a quick machine this script does. A file that was sent is read, though,
  // and can't be sent once more: who uploads one opens it anew.
  const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds))
  instance.api.rq.interceptors.response.use(undefined, async (error) => {
    if (error.response?.status !== 429 || typeof error.config.data?.pipe === 'function') throw error
    await wait(Number(error.response.headers['retry-after']))
    return instance.api.rq.request(error.config)
  })
  const seen = {}
  const pay = (amount, more) => instance.payments.createPaymentJson({
    amount, currency: 'INR', email: 'asha@example.org', contact: '9000090000', method: 'card', card: CARD, ...more,
  })
  const refused = async (call) => call.then(() => null, (error) => error)

  // Orders and payments
  seen.order = await instance.orders.create({ amount: 50000, currency: 'INR', receipt: 'node-1', notes: { k: 'v' } })
  await instance.orders.edit(seen.order.id, { notes: { a: 'b' } })
  const made = await pay(50000, { order_id: seen.order.id })
  seen.verified = validatePaymentVerification(
    { order_id: made.razorpay_order_id, payment_id: made.razorpay_payment_id }, made.razorpay_signature, key_secret)
  const paymentId = made.razorpay_payment_id
  seen.captured = await instance.payments.capture(paymentId, 50000, 'INR')
  seen.payment = await instance.payments.fetch(paymentId, { 'expand[]': 'card' })
  seen.payments = await instance.payments.all({ count: 5, skip: 0 })
  seen.card = await instance.payments.fetchCardDetails(paymentId)
  await instance.payments.edit(paymentId, { notes: { x: 'y' } })
  seen.orderAgain = await instance.orders.fetch(seen.order.id)
  seen.orders = await instance.orders.all({ receipt: 'node-1' })
  seen.orderPayments = await instance.orders.fetchPayments(seen.order.id)
  const second = await instance.orders.create({ amount: '1000', currency: 'INR', payment_capture: 1 })
  const challenged = await pay(1000, { order_id: second.id, card: { ...CARD, number: '4111111111111111' } })
  await instance.payments.otpGenerate(challenged.razorpay_payment_id)
  await instance.payments.otpResend(challenged.razorpay_payment_id)
  seen.otp = await instance.payments.otpSubmit(challenged.razorpay_payment_id, { otp: '12345' })
  seen.downtimes = await instance.payments.fetchPaymentDowntime()
  seen.declined = await refused(pay(1000, { card: { ...CARD, number: '4000000000009995' } }))

  // Refunds
  seen.refund = await instance.payments.refund(paymentId, { amount: '10000', notes: { why: 'late' } })
  seen.refunds = await instance.payments.fetchMultipleRefund(paymentId, { count: 5 })
  await instance.payments.fetchRefund(paymentId, seen.refund.id)
  await instance.refunds.fetch(seen.refund.id)
  await instance.refunds.edit(seen.refund.id, { notes: { q: 'r' } })
  await instance.refunds.all({ count: 2 })

  // Customers, tokens, cards
  seen.customer = await instance.customers.create({ name: 'Asha', email: 'node@example.org', contact: '9123456789' })
  await instance.customers.create({ name: 'Asha', email: 'node@example.org', contact: '9123456789', fail_existing: 0 })
  await instance.customers.edit(seen.customer.id, { name: 'Asha Rao' })
  await instance.customers.fetch(seen.customer.id)
  await instance.customers.all()
  const third = await instance.orders.create({ amount: 700, currency: 'INR', payment_capture: true })
  await pay(700, { order_id: third.id, customer_id: seen.customer.id, save: 1 })
  seen.tokens = await instance.customers.fetchTokens(seen.customer.id)
  seen.token = await instance.customers.fetchToken(seen.customer.id, seen.tokens.items[0].id)
  seen.recurring = await instance.payments.createRecurringPayment({
    email: 'a@b.co', contact: '9000090000', amount: 900, currency: 'INR', customer_id: seen.customer.id,
    token: seen.token.id, recurring: '1', order_id: (await instance.orders.create({ amount: 900, currency: 'INR' })).id,
  })
  seen.keptCard = await instance.cards.fetch(seen.card.id)
  seen.iins = await instance.iins.all({ flow: 'otp' })
  seen.elsewhere = await instance.tokens.processPaymentOnAlternatePAorPG({ id: seen.token.id })
  await instance.customers.deleteToken(seen.customer.id, seen.token.id)
  seen.ended = await refused(instance.tokens.processPaymentOnAlternatePAorPG({ id: seen.token.id }))

  const saved = await instance.tokens.create({ customer_id: seen.customer.id, method: 'card', card: CARD })
  seen.savedToken = await instance.tokens.fetch({ id: saved.id })
  seen.reference = await instance.cards.requestCardReference({ token: saved.id })
  seen.savedDeleted = await instance.tokens.delete({ id: saved.id })
  seen.iin = await instance.iins.fetch('424242')

  // UPI, methods, what a payment has not
  const fifth = await instance.orders.create({ amount: '1200.0', currency: 'INR', payment_capture: true })
  seen.intent = await instance.payments.createUpi({
    amount: '1200.0', currency: 'INR', order_id: fifth.id, email: 'a@b.co', contact: '9000090000', method: 'upi',
    upi: { flow: 'intent' },
  })
  seen.vpa = await instance.payments.validateVpa({ vpa: 'asha@bank' })
  seen.methods = await instance.payments.fetchPaymentMethods()
  seen.transfers = await instance.payments.fetchTransfer(paymentId)
  seen.noTransfer = await refused(instance.payments.bankTransfer(paymentId))
  seen.noDowntime = await refused(instance.payments.fetchPaymentDowntimeById('down_00000000000000'))
  seen.notOffered = await Promise.all([
    instance.orders.viewRtoReview(fifth.id), instance.customers.fetchEligibility('elig_1'),
    instance.stakeholders.all('acc_00000000000000'), instance.products.fetch('acc_00000000000000', 'acc_prd_1'),
  ].map(refused))

  // Links
  seen.link = await instance.paymentLink.create({
    amount: 4000, currency: 'INR', accept_partial: false, customer: { name: 'A', email: 'a@example.org' }, notify: { email: true },
  })
  await instance.paymentLink.edit(seen.link.id, { reference_id: 'node-link', notes: { a: 'b' } })
  await instance.paymentLink.notifyBy(seen.link.id, 'email')
  seen.links = await instance.paymentLink.all({ reference_id: 'node-link' })
  seen.linkPaid = await pay(4000, { order_id: seen.link.order_id })
  seen.linkAgain = await instance.paymentLink.fetch(seen.link.id)
  const other = await instance.paymentLink.create({ amount: 500, currency: 'INR', customer: {} })
  seen.linkCancelled = await instance.paymentLink.cancel(other.id)

  // Items, invoices
  seen.item = await instance.items.create({ name: 'Mug', amount: 2500, currency: 'INR' })
  await instance.items.edit(seen.item.id, { description: 'Blue' })
  await instance.items.fetch(seen.item.id)
  await instance.items.all({ count: 3 })
  seen.invoice = await instance.invoices.create({
    type: 'invoice', draft: '1', customer: { name: 'A', email: 'a@example.org' },
    line_items: [{ item_id: seen.item.id, quantity: 2 }, { name: 'Postage', amount: 100, currency: 'INR' }],
  })
  await instance.invoices.edit(seen.invoice.id, { comment: 'Thanks' })
  seen.issued = await instance.invoices.issue(seen.invoice.id)
  await instance.invoices.notifyBy(seen.invoice.id, 'email')
  await instance.invoices.all({ type: 'invoice' })
  await instance.invoices.fetch(seen.invoice.id)
  seen.invoiceCancelled = await instance.invoices.cancel(seen.invoice.id)
  const draft = await instance.invoices.create({ type: 'link', amount: 500, draft: '1', description: 'x', customer: {} })
  seen.invoiceDeleted = await instance.invoices.delete(draft.id)
  const thrownAway = await instance.items.create({ name: 'Old', amount: 100, currency: 'INR' })
  seen.itemDeleted = await instance.items.delete(thrownAway.id)

  // Plans, subscriptions, add-ons
  seen.plan = await instance.plans.create({
    period: 'weekly', interval: 2, item: { name: 'Tea', amount: 30000, currency: 'INR' }, notes: { a: 'b' },
  })
  await instance.plans.fetch(seen.plan.id)
  await instance.plans.all()
  seen.subscription = await instance.subscriptions.create({ plan_id: seen.plan.id, total_count: 6, customer_notify: 1 })
  const agreed = await pay(30000, { subscription_id: seen.subscription.id })
  seen.subscriptionVerified = validatePaymentVerification(
    { subscription_id: seen.subscription.id, payment_id: agreed.razorpay_payment_id }, agreed.razorpay_signature, key_secret)
  const name = seen.subscription.id
  seen.addon = await instance.subscriptions.createAddon(name, { item: { name: 'Cup', amount: 900, currency: 'INR' } })
  await instance.addons.fetch(seen.addon.id)
  await instance.addons.all()
  seen.addonDeleted = await instance.addons.delete(seen.addon.id)
  await instance.subscriptions.update(name, { quantity: 2, schedule_change_at: 'cycle_end' })
  seen.pending = await instance.subscriptions.pendingUpdate(name)
  await instance.subscriptions.cancelScheduledChanges(name)
  seen.paused = await instance.subscriptions.pause(name, { pause_at: 'now' })
  seen.resumed = await instance.subscriptions.resume(name, { resume_at: 'now' })
  await instance.subscriptions.fetch(name)
  await instance.subscriptions.all({ plan_id: seen.plan.id })
  seen.ending = await instance.subscriptions.cancel(name, true)
  seen.cancelled = await instance.subscriptions.cancel(name, false)

  // Settlements
  seen.onDemand = await instance.settlements.createOndemandSettlement({ amount: 100, settle_full_balance: true })
  seen.settlements = await instance.settlements.all()
  seen.settlement = await instance.settlements.fetch(seen.settlements.items[0].id)
  const today = new Date()
  seen.recon = await instance.settlements.reports({
    year: today.getUTCFullYear(), month: today.getUTCMonth() + 1, day: today.getUTCDate(),
  })
  seen.reconLine = seen.recon.items[0]
  await instance.settlements.fetchAllOndemandSettlement({})
  await instance.settlements.fetchOndemandSettlementById(seen.onDemand.id)

  // QR codes, virtual accounts
  seen.qr = await instance.qrCode.create({ type: 'upi_qr', usage: 'multiple_use', fixed_amount: true, payment_amount: 300 })
  await instance.qrCode.fetch(seen.qr.id)
  await instance.qrCode.all({ count: 2 })
  await instance.qrCode.fetchAllPayments(seen.qr.id)
  seen.qrClosed = await instance.qrCode.close(seen.qr.id)
  seen.account = await instance.virtualAccounts.create({ receivers: { types: ['bank_account'] }, description: 'Rent' })
  await instance.virtualAccounts.addReceiver(seen.account.id, { types: ['vpa'], vpa: { descriptor: 'rent' } })
  const payer = { type: 'bank_account', bank_account: { ifsc: 'HDFC0000053', account_number: '50100099' } }
  const allowed = await instance.virtualAccounts.allowedPayer(seen.account.id, payer)
  await instance.virtualAccounts.deleteAllowedPayer(seen.account.id, allowed.allowed_payers[0].id)
  await instance.virtualAccounts.fetch(seen.account.id)
  await instance.virtualAccounts.all()
  await instance.virtualAccounts.fetchPayments(seen.account.id)
  seen.accountClosed = await instance.virtualAccounts.close(seen.account.id)

  // Disputes, documents, bank accounts, registration links
  const doubtful = await instance.orders.create({ amount: 3000, currency: 'INR', payment_capture: 1 })
  await pay(3000, { order_id: doubtful.id, card: { ...CARD, number: '4000000000000259' } })
  seen.dispute = (await instance.disputes.all({ count: 1 })).items[0]
  await instance.disputes.fetch(seen.dispute.id)
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dodeca-'))
  fs.writeFileSync(path.join(folder, 'a.pdf'), '%PDF-1.4\n%%EOF\n')
  const upload = () => instance.documents.create({
    file: { value: fs.createReadStream(path.join(folder, 'a.pdf')) }, purpose: 'dispute_evidence',
  })
  seen.document = await upload().catch(async (error) => {
    if (error.statusCode !== 429) throw error
    await wait(1)
    return upload()
  })
  await instance.documents.fetch(seen.document.id)
  fs.rmSync(folder, { recursive: true })
  const answer = { summary: 'It was delivered.', shipping_proof: [seen.document.id], action: 'draft' }
  seen.contested = await instance.disputes.contest(seen.dispute.id, answer)
  seen.accepted = await instance.disputes.accept(seen.dispute.id)
  const bank = { name: 'Asha', ifsc: 'HDFC0000053', account_number: '50100099' }
  seen.fund = await instance.fundAccount.create({
    customer_id: seen.customer.id, account_type: 'bank_account', bank_account: bank,
  })
  seen.funds = await instance.fundAccount.fetch(seen.customer.id)
  const kept = await instance.customers.addBankAccount(seen.customer.id, { ifsc_code: bank.ifsc, account_number: '1234567' })
  seen.bankDeleted = await instance.customers.deleteBankAccount(seen.customer.id, kept.id)
  seen.registration = await instance.subscriptions.createRegistrationLink({
    customer: { name: 'Asha', email: 'again@example.org', contact: '9000090001' }, type: 'link', amount: 5000,
    currency: 'INR', description: 'Gym', subscription_registration: { method: 'card', max_amount: 50000 },
  })

  // Webhooks
  const hook = { url: 'https://example.org/hook', secret: 'whisper', events: ['payment.captured', 'order.paid'] }
  seen.webhook = await instance.webhooks.create(hook)
  await instance.webhooks.fetch(seen.webhook.id, seen.webhook.owner_id)
  seen.webhooks = await instance.webhooks.all()
  await instance.webhooks.edit({ url: 'https://example.org/other', events: ['order.paid'] }, seen.webhook.id)
  await instance.webhooks.delete(seen.webhook.id, seen.webhook.owner_id)
  const crypto = require('node:crypto')
  const body = '{"event":"payment.captured"}'
  const signed = crypto.createHmac('sha256', 'whisper').update(body).digest('hex')
  seen.webhookVerified = validateWebhookSignature(body, signed, 'whisper')
  seen.unknown = await refused(instance.orders.fetch('order_00000000000000'))
  return seen
}

main(process.argv.slice(2)).then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => {
    console.error(error)
    process.exitCode = 1
  },
)
