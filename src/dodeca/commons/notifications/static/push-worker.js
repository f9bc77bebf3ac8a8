// Shows what the server pushes, and opens the page that it is about.
self.addEventListener("push", event => {
  const notice = event.data.json()
  event.waitUntil(self.registration.showNotification(notice.title, { body: notice.body, data: notice.href }))
})

self.addEventListener("notificationclick", event => {
  event.notification.close()
  event.waitUntil(self.clients.openWindow(event.notification.data))
})
